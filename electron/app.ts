/** The composition root: builds the services, joins them, starts and stops them in order. Knows nothing of windows. */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { createLiveState } from './app-state.ts'
import { createHandlers } from './app-handlers.ts'
import { appContract } from './contract/app.ts'
import type { AppContract } from './contract/app.ts'
import { problemOf } from './contract/errors.ts'
import type { Handlers } from './contract/rpc/contract.ts'
import { channelConnection, webSocketChannel } from './contract/rpc/message-transport.ts'
import type { MessageChannelLike } from './contract/rpc/message-transport.ts'
import { serve } from './contract/rpc/peer.ts'
import { createGuide } from './guide.ts'
import { locateGuideModel } from './guide-model.ts'
import { createJobs, createQuestions } from './jobs.ts'
import { createFinder, createFleet, createTrust } from './machines/machines.ts'
import { createModelLibrary } from './model-library.ts'
import { createHistory, createLog } from './monitoring/monitoring.ts'
import { startOpenAiServer } from './openai/openai.ts'
import { createPlanner } from './planner.ts'
import { createChats } from './serving/chats.ts'
import { createDeployments } from './serving/deployments.ts'
import type { RankHost } from './serving/rank-host.ts'
import { openStore, removeControl, writeControl } from './store/store.ts'
import { appVersion } from './version.ts'
import { startWebServer } from './web-server.ts'
import { locateWorkerBundle } from './worker-bundle.ts'
import 'vscode-jsonrpc/node'

export interface AppOptions {
  /** LANYARD_HOME */
  home: string
  /** the checkout, or the packaged app */
  root: string
  /** Electron's resources folder when packaged */
  resourcesPath: string | null
  /** folder of the built renderer to serve to browsers; null with a window */
  renderer: string | null
  uiPort: number
  openaiPort: number | undefined
  discovery: boolean
  /** a client asked the app to end */
  onStop(): void
}

export interface App {
  openaiUrl: string
  /** served name of the built-in model while it answers when asked; null when it does not */
  guide(): string | null
  /** a fresh address that signs one browser in; null without a browser interface */
  pairingUrl(): string | null
  /** hands the contract to a client: a window's port */
  attach(channel: MessageChannelLike): void
  close(): Promise<void>
}

/** Starts everything. What was already started is closed again when a later part fails. */
export async function createApp(options: AppOptions): Promise<App> {
  const cleanups: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) {
      try {
        await cleanup()
      } catch (error) {
        process.stderr.write(`While closing: ${problemOf(error).message}\n`)
      }
    }
  }
  try {
    return await build(options, cleanups, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function build(options: AppOptions, cleanups: (() => unknown)[], close: () => Promise<void>): Promise<App> {
  const { home } = options
  const store = openStore(home)
  cleanups.push(() => store.close())
  const log = createLog(home)
  cleanups.push(() => log.close())
  log.write('info', 'app', `Lanyard ${appVersion} starting`)
  const bundle = locateWorkerBundle({ resourcesPath: options.resourcesPath ?? undefined, root: options.root })
  const state = createLiveState({
    version: appVersion,
    machines: [],
    found: [],
    discovery: { on: options.discovery, note: '' },
    models: [],
    guide: null,
    deployments: [],
    jobs: [],
    questions: [],
    openai: { url: '', listening: false },
  })
  const jobs = createJobs(state)
  const questions = createQuestions(state)
  const history = createHistory()

  const trust = createTrust({
    get: (host, port) => store.pins.of(host, port)[0] ?? null,
    set: (host, port, pin) => store.pins.put({ host, port, ...pin, key: '', pinnedAt: Date.now() }),
    remove: (host, port) => {
      store.pins.delete(host, port)
    },
  })
  const fleet = createFleet({
    state,
    jobs,
    questions,
    trust,
    bundle,
    records: store.machines,
    workerFolder: path.join(home, 'worker'),
    usersOf: (machineId) => deployments.usersOf({ machineId }),
    onSample: (sample) => history.machine(sample),
    onLog: (line) => log.take(line),
    log: (level, text) => log.write(level, 'machines', text),
  })
  cleanups.push(() => fleet.close())
  const library = createModelLibrary({
    state,
    records: store.models,
    usersOf: (modelId) => deployments.usersOf({ modelId }),
  })
  const planner = createPlanner({ state, library })
  const hostOf = async (machineId: string): Promise<RankHost> => {
    const machine = fleet.find(machineId)
    const connection = await fleet.connection(machine.id)
    return {
      machineId: machine.id,
      name: machine.name,
      kind: machine.kind,
      worker: connection.worker,
      hardware: connection.hardware,
      address: connection.reach.remoteAddress,
      localAddress: connection.reach.localAddress,
    }
  }
  const deployments = createDeployments({
    state,
    plan: planner.prepare,
    host: hostOf,
    log: (level, text) => log.write(level, 'deployments', text),
  })
  cleanups.push(() => deployments.close())
  const guide = await createGuide({
    state,
    library,
    deployments,
    folder: locateGuideModel({ resourcesPath: options.resourcesPath ?? undefined, root: options.root }),
    use: { get: () => store.settings.get('guide'), set: (use) => store.settings.set('guide', use) },
    log: (level, text) => log.write(level, 'deployments', text),
  })
  cleanups.push(() => guide.close())
  const textOf = (served: { model: { id: string } }): ReturnType<typeof library.opened>['text'] =>
    library.opened(served.model.id).text
  const chats = createChats({
    threads: store.threads,
    messages: store.messages,
    atOnce: store.atOnce,
    served: guide.served,
    textOf,
  })

  const settings = store.settings.all()
  const openai = await startOpenAiServer({
    served: guide.served,
    textOf,
    host: settings.openaiHost,
    port: options.openaiPort ?? settings.openaiPort,
    apiKeys: settings.apiKeys,
    origins: settings.openaiOrigins,
    engineStats: (model) =>
      state.get().deployments.find(({ name, state: now }) => name === model && now === 'serving')?.stats ?? null,
  })
  cleanups.push(() => openai.close())
  state.update((draft) => {
    draft.openai = { url: openai.url, listening: true }
  })

  const finder = await createFinder({
    noDiscovery: !options.discovery,
    known: async () => [], // machines that were added stand in the list of machines already
    onChange: (found) =>
      state.update((draft) => {
        draft.found = found
      }),
    onProblem: (text) =>
      state.update((draft) => {
        draft.discovery.note = text
      }),
  })
  cleanups.push(() => finder[Symbol.dispose]())

  const token = randomBytes(32).toString('base64url')
  const clients = new Set<MessageChannelLike>()
  const attach = (channel: MessageChannelLike): void => {
    clients.add(channel)
    void serve(channelConnection(channel), appContract, handlers).then(() => clients.delete(channel))
  }
  const web = await startWebServer({
    port: options.uiPort,
    renderer: options.renderer,
    token,
    onClient: (socket) => attach(webSocketChannel(socket)),
  })
  cleanups.push(() => web.close())
  cleanups.push(() => {
    for (const channel of clients) channel.close()
  })

  const handlers: Handlers<AppContract> = createHandlers({
    state,
    jobs,
    questions,
    fleet,
    finder,
    library,
    planner,
    guide,
    chats,
    history,
    log,
    info: () => ({
      version: appVersion,
      pid: process.pid,
      home,
      uiUrl: web.pairingUrl(),
      openaiUrl: openai.url,
      node: process.version,
      startedAt,
    }),
    stop: options.onStop,
  })
  const startedAt = Date.now()
  await fleet.start()
  writeControl(home, {
    pid: process.pid,
    uiUrl: options.renderer === null ? null : `http://127.0.0.1:${web.port}`,
    rpcUrl: `ws://127.0.0.1:${web.port}/rpc`,
    token,
  })
  cleanups.push(() => removeControl(home))
  const sampling = setInterval(
    () =>
      history.deployments(
        state
          .get()
          .deployments.filter((each) => each.state === 'serving')
          .map((each) => ({
            name: each.name,
            at: Date.now(),
            tokensPerSecond: each.stats.tokensPerSecond,
            running: each.stats.running,
            waiting: each.stats.waiting,
            firstTokenMs: each.stats.firstTokenMs,
            kvUsed: each.stats.kvUsed,
            kvTotal: each.stats.kvTotal,
          })),
      ),
    1000,
  )
  cleanups.push(() => clearInterval(sampling))
  log.write('info', 'app', 'ready')
  return {
    openaiUrl: openai.url,
    guide: () => {
      const now = state.get().guide
      return now?.use === 'on-demand' ? now.name : null
    },
    pairingUrl: () => web.pairingUrl(),
    attach,
    close,
  }
}
