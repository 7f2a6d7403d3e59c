/** The deployments of this app: start, watch, stop; and the view of them that the OpenAI port and the chats have. */
import { randomUUID } from 'node:crypto'
import type { LiveState } from '../app-state.ts'
import type { Deployment, DeploymentStats, RankStatus, ServeRequest } from '../contract/deployment.ts'
import { LanyardError, problemOf } from '../contract/errors.ts'
import type { Problem } from '../contract/errors.ts'
import type { Model } from '../contract/model.ts'
import type { Plan, PlanRequest } from '../contract/plan.ts'
import { startNativeDeployment } from './native-engine.ts'
import type { NativeDeployment } from './native-engine.ts'
import type { RankHost, SplittableModel } from './rank-host.ts'
import type { Served, ServedModels, TokenRequest } from './served.ts'
import { createThroughput } from './throughput.ts'
import type { Throughput } from './throughput.ts'

export interface DeploymentDeps {
  state: LiveState
  /** the plan a request comes to, and the model it is for */
  plan(request: PlanRequest): Promise<{ plan: Plan; model: Model; splittable: SplittableModel }>
  /** a machine with its worker attached; throws `machine_away` and the like */
  host(machineId: string): Promise<RankHost>
  log(level: 'info' | 'warn' | 'error', text: string): void
}

export interface Deployments {
  /** Checks and begins; the state tells the rest. Resolves with the served name. */
  start(request: ServeRequest, how?: { onDemand: boolean }): Promise<{ name: string; ended: Promise<Deployment> }>
  stop(name: string): Promise<void>
  readonly served: ServedModels
  /** names of deployments that use a machine or a model */
  usersOf(what: { machineId?: string; modelId?: string }): string[]
  close(): Promise<void>
}

interface Entry {
  id: string
  name: string
  model: Model
  abort: AbortController
  running: NativeDeployment | null
  readyAt: number
  context: number
  throughput: Throughput
  /** settles when it serves or has failed */
  begun: Promise<void>
}

const zeroStats: DeploymentStats = {
  running: 0,
  waiting: 0,
  tokensPerSecond: 0,
  firstTokenMs: null,
  requests: 0,
  promptTokens: 0,
  generatedTokens: 0,
  kvUsed: 0,
  kvTotal: 0,
  commShare: 0,
  betweenSteps: null,
  preempted: 0,
  readTokens: 0,
  cachedTokens: 0,
  drafted: 0,
  accepted: 0,
}

export function createDeployments(deps: DeploymentDeps): Deployments {
  const { state } = deps
  const entries = new Map<string, Entry>()

  const change = (name: string, recipe: (deployment: Deployment) => void): void =>
    state.update((draft) => {
      const found = draft.deployments.find((deployment) => deployment.name === name)
      if (found) recipe(found)
    })

  const fail = (entry: Entry, problem: Problem): void => {
    deps.log('error', `${entry.name}: ${problem.message}`)
    change(entry.name, (deployment) => {
      deployment.state = 'failed'
      deployment.status = problem.message
      deployment.problem = problem
      deployment.stats.running = deployment.stats.waiting = 0
      deployment.stats.tokensPerSecond = 0
      for (const rank of deployment.ranks) if (rank.state !== 'failed') rank.state = 'stopped'
    })
    entry.running = null
    entry.abort.abort()
    entries.delete(entry.name)
  }

  async function begin(entry: Entry, plan: Plan, splittable: SplittableModel): Promise<void> {
    try {
      const ids = [...new Set(plan.ranks.map((rank) => rank.machineId))]
      const hosts = new Map(await Promise.all(ids.map(async (id) => [id, await deps.host(id)] as const)))
      entry.running = await startNativeDeployment(
        entry.id,
        plan,
        splittable,
        hosts,
        {
          rank: (rank, values) => change(entry.name, (deployment) => Object.assign(deployment.ranks[rank]!, values)),
          status: (text) =>
            change(entry.name, (deployment) => {
              deployment.status = text
            }),
          lost: (problem) => fail(entry, problem),
        },
        entry.abort.signal,
      )
      entry.readyAt = Date.now()
      change(entry.name, (deployment) => {
        deployment.state = 'serving'
        deployment.status = `Serving on ${describe(deployment.ranks)}`
        deployment.readyAt = entry.readyAt
      })
      deps.log('info', `${entry.name} is serving`)
      void sampleStats(entry)
    } catch (error) {
      if (entries.get(entry.name) === entry) fail(entry, problemOf(error))
    }
  }

  async function sampleStats(entry: Entry): Promise<void> {
    while (entry.running && !entry.abort.signal.aborted) {
      const stats = await entry.running.stats().catch(() => null)
      if (stats && entries.get(entry.name) === entry) {
        change(entry.name, (deployment) => {
          deployment.stats = {
            ...entry.throughput.figures(),
            running: stats.running,
            waiting: stats.waiting,
            kvUsed: stats.kvUsed,
            kvTotal: stats.kvTotal,
            commShare: stats.stepMicros > 0 ? stats.commMicros / stats.stepMicros : 0,
            betweenSteps: stats.idles > 0 ? stats.idleMicros / stats.idles : null,
            preempted: stats.preempted,
            readTokens: stats.promptTokens,
            cachedTokens: stats.cachedTokens,
            drafted: stats.drafted,
            accepted: stats.accepted,
          }
        })
      }
      await pause(1000, entry.abort.signal)
    }
  }

  async function* generate(entry: Entry, request: TokenRequest, signal: AbortSignal): ReturnType<Served['generate']> {
    if (!entry.running)
      throw notServing(
        entry.name,
        state.get().deployments.find((d) => d.name === entry.name),
      )
    const measured = entry.throughput.request(request.prompt.length)
    for await (const event of entry.running.generate(request, signal)) {
      if (event.kind === 'tokens') measured.tokens(event.tokens.length)
      yield event
    }
  }

  function servedOf(entry: Entry): Served {
    return {
      name: entry.name,
      model: entry.model,
      context: entry.context,
      readyAt: entry.readyAt,
      onDemand: false,
      generate: (request, signal) => generate(entry, request, signal),
    }
  }

  return {
    async start(request, { onDemand } = { onDemand: false }) {
      if (request.engine === 'vllm-ray') {
        throw new LanyardError(
          'engine_unavailable',
          'The vLLM + Ray engine is not part of this version.',
          'Leave --engine out to use the native engine.',
        )
      }
      const { plan, model, splittable } = await deps.plan(request)
      if (!plan.fits) {
        throw new LanyardError(
          'plan_too_big',
          plan.explanation.at(-1) ?? `${model.name} is too big for the chosen devices.`,
          plan.wouldFit.join(' ') || 'Choose more machines.',
        )
      }
      const name = request.name ?? model.name
      if (entries.has(name)) {
        throw new LanyardError(
          'name_taken',
          `A deployment is already called "${name}".`,
          `Stop it first (lanyard stop ${name}), or choose another name with --name.`,
        )
      }
      const entry: Entry = {
        id: randomUUID(),
        name,
        model,
        abort: new AbortController(),
        running: null,
        readyAt: 0,
        context: plan.context,
        throughput: createThroughput(),
        begun: Promise.resolve(),
      }
      entries.set(name, entry)
      state.update((draft) => {
        draft.deployments = draft.deployments.filter((deployment) => deployment.name !== name)
        draft.deployments.push({
          id: entry.id,
          name,
          modelId: model.id,
          modelName: model.name,
          onDemand,
          engine: 'native',
          state: 'loading',
          status: 'Connecting to the machines',
          plan,
          ranks: plan.ranks.map(waitingRank),
          stats: zeroStats,
          problem: null,
          startedAt: Date.now(),
          readyAt: null,
        })
      })
      deps.log(
        'info',
        `${name}: starting ${model.name} on ${plan.ranks.length} rank${plan.ranks.length === 1 ? '' : 's'}`,
      )
      entry.begun = begin(entry, plan, splittable)
      const ended = entry.begun.then(() => {
        const result = state.get().deployments.find((deployment) => deployment.id === entry.id)
        if (!result) throw new LanyardError('cancelled', `${name} was stopped while it was loading.`)
        if (result.problem) throw new LanyardError(result.problem.code, result.problem.message, result.problem.hint)
        return result
      })
      ended.catch(() => undefined) // the state carries it too; who does not wait must not crash the app
      return { name, ended }
    },

    async stop(name) {
      const entry = entries.get(name)
      if (!entry) {
        if (!state.get().deployments.some((deployment) => deployment.name === name)) {
          throw new LanyardError('not_found', `No deployment is called "${name}".`, 'lanyard status lists them.')
        }
      } else {
        change(name, (deployment) => {
          deployment.state = 'stopping'
          deployment.status = 'Stopping'
        })
        const { running } = entry
        entry.running = null
        entry.abort.abort()
        entries.delete(name)
        await running?.stop()
        await entry.begun
        deps.log('info', `${name} stopped`)
      }
      state.update((draft) => {
        draft.deployments = draft.deployments.filter((deployment) => deployment.name !== name)
      })
    },

    served: {
      list: () =>
        [...entries.values()]
          .filter((entry) => entry.running)
          .map(servedOf)
          .sort((a, b) => a.readyAt - b.readyAt),
      get(name) {
        const entry = entries.get(name)
        if (!entry?.running)
          throw notServing(
            name,
            state.get().deployments.find((deployment) => deployment.name === name),
          )
        return servedOf(entry)
      },
    },

    usersOf: ({ machineId, modelId }) =>
      state
        .get()
        .deployments.filter(
          (d) =>
            entries.has(d.name) && (d.modelId === modelId || d.plan.ranks.some((rank) => rank.machineId === machineId)),
        )
        .map((deployment) => deployment.name),

    async close() {
      await Promise.all([...entries.keys()].map((name) => this.stop(name).catch(() => undefined)))
    },
  }
}

function notServing(name: string, deployment: Deployment | undefined): LanyardError {
  if (!deployment)
    return new LanyardError(
      'not_found',
      `The model "${name}" is not being served.`,
      'lanyard status lists what is; lanyard serve starts one.',
    )
  if (deployment.state === 'failed' && deployment.problem)
    return new LanyardError(deployment.problem.code, deployment.problem.message, deployment.problem.hint)
  return new LanyardError('deployment_not_ready', `"${name}" is ${deployment.state}.`, 'Try again in a moment.')
}

function waitingRank(rank: Plan['ranks'][number]): RankStatus {
  return {
    rank: rank.rank,
    machineId: rank.machineId,
    machineName: rank.machineName,
    device: rank.device.name,
    state: 'waiting',
    pid: null,
    shardBytes: 0,
    sentBytes: 0,
    loadedBytes: 0,
    problem: null,
  }
}

function describe(ranks: RankStatus[]): string {
  const names = [...new Set(ranks.map((rank) => rank.machineName))]
  return names.length === 1
    ? `${names[0]}${ranks.length > 1 ? `, ${ranks.length} ranks` : ''}`
    : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
