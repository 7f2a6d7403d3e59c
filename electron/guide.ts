/**
 * The built-in model: in the library from the first start, and answering on demand under the name `guide`. Its one rank
 * starts on this computer's CPU with the first request and ends after a while without one, so that it costs nothing
 * while nobody asks. It makes way for whatever the user serves under its name; stopping or removing it holds, over
 * restarts too, until the user asks for it again.
 */
import type { LiveState } from './app-state.ts'
import type { Deployment, ServeRequest } from './contract/deployment.ts'
import { LanyardError, problemOf } from './contract/errors.ts'
import type { Model } from './contract/model.ts'
import type { GuideUse } from './contract/state.ts'
import type { ModelLibrary } from './model-library.ts'
import type { Deployments } from './serving/deployments.ts'
import type { Served, ServedModels } from './serving/served.ts'

/** its id in the library and the name it is served under */
export const guideId = 'guide'
const guideName = 'Lanyard Guide'
const purpose = 'Tiny built-in guide: answers questions about Lanyard; add a model for anything else.'

/** Its rank ends after so long without a request, ms. */
const idleMs = 10 * 60_000
/** Room for a conversation of many turns; asked for explicitly, so that what is announced before the start holds after it. */
const mostContext = 8192

export interface GuideDeps {
  state: LiveState
  library: Pick<ModelLibrary, 'addBuiltIn' | 'takeOut' | 'find'>
  deployments: Pick<Deployments, 'start' | 'stop' | 'served' | 'usersOf'>
  /** where its files are; null: this installation has none */
  folder: string | null
  /** what the user made of it, kept over restarts */
  use: { get(): GuideUse; set(use: GuideUse): void }
  log(level: 'info' | 'warn' | 'error', text: string): void
  idleMs?: number
}

export interface Guide {
  /** everything that is served, and the guide last while it answers on demand */
  readonly served: ServedModels
  /** is this its name or id? */
  is(name: string): boolean
  start(request: ServeRequest): ReturnType<Deployments['start']>
  stop(name: string): Promise<void>
  /** back into the library, answering again */
  restore(): Promise<Model>
  /** out of the library; throws `model_in_use` while the user serves it */
  remove(): Promise<void>
  close(): void
}

/** Puts the guide into the library unless the user took it out. A folder that cannot be read is a missing guide, not a failed start. */
export async function createGuide(deps: GuideDeps): Promise<Guide> {
  const { state, library, deployments, folder } = deps
  let model: Model | null = null
  let starting: Promise<void> | null = null
  /** requests that are being answered */
  let active = 0
  let timer: NodeJS.Timeout | undefined

  const open = async (): Promise<Model> => {
    if (folder === null)
      throw new LanyardError(
        'model_missing',
        'The built-in guide is not part of this installation.',
        'Install Lanyard again.',
      )
    model = await library.addBuiltIn({ id: guideId, name: guideName, purpose, source: folder })
    return model
  }
  const show = (use: GuideUse): void =>
    state.update((draft) => {
      draft.guide = folder === null ? null : { modelId: guideId, modelName: guideName, name: guideId, use }
    })
  const setUse = (use: GuideUse): void => {
    deps.use.set(use)
    show(use)
  }

  const deployment = (): Deployment | undefined => state.get().deployments.find((each) => each.name === guideId)
  const live = ({ state: now }: Deployment): boolean => now !== 'failed' && now !== 'stopped'
  /** its own deployment, started by a request and not by the user */
  const own = (): Deployment | undefined => {
    const found = deployment()
    return found?.onDemand && live(found) ? found : undefined
  }
  /** may a request start it? Not while something else has its name. */
  const isOnDemand = (): boolean => {
    const found = deployment()
    return model !== null && deps.use.get() === 'on-demand' && (!found || found.onDemand || !live(found))
  }
  const stopOwn = async (): Promise<void> => {
    clearTimeout(timer)
    if (own()) await deployments.stop(guideId)
  }

  async function begin(): Promise<void> {
    const { ended } = await deployments.start(requestOf(model!), { onDemand: true })
    await ended
  }
  /** Resolves when its rank answers; requests that come while it starts share the start. */
  function ready(): Promise<void> {
    if (deployments.served.list().some((each) => each.name === guideId)) return Promise.resolve()
    starting ??= begin().finally(() => {
      starting = null
    })
    return starting
  }
  async function* generate(...[request, signal]: Parameters<Served['generate']>): ReturnType<Served['generate']> {
    active++
    clearTimeout(timer)
    try {
      await ready()
      yield* deployments.served.get(guideId).generate(request, signal)
    } finally {
      if (--active === 0) rest()
    }
  }
  const rest = (): void => {
    timer = setTimeout(() => {
      if (active > 0 || !own()) return
      deps.log('info', 'guide: nobody asked for a while')
      stopOwn().catch((error: unknown) => deps.log('warn', `guide: ${problemOf(error).message}`))
    }, deps.idleMs ?? idleMs)
    timer.unref()
  }
  const servedOnDemand = (): Served => ({
    name: guideId,
    model: model!,
    context: contextOf(model!),
    readyAt: model!.addedAt,
    onDemand: true,
    generate,
  })

  show(deps.use.get())
  if (folder !== null && deps.use.get() !== 'removed') {
    await open().catch((error: unknown) => {
      deps.log('warn', `The built-in guide cannot be used: ${problemOf(error).message}`)
      state.update((draft) => {
        draft.guide = null
      })
    })
  }

  return {
    served: {
      list: () => [
        ...deployments.served.list().filter((each) => each.name !== guideId || !isOnDemand()),
        ...(isOnDemand() ? [servedOnDemand()] : []),
      ],
      get: (name) => (name === guideId && isOnDemand() ? servedOnDemand() : deployments.served.get(name)),
    },
    is: (name) => name === guideId || name === guideName,
    async start(request) {
      const isGuide = model !== null && library.find(request.model).id === guideId
      const asked = isGuide && request.name === undefined ? { ...request, name: guideId } : request
      if (asked.name === guideId) await stopOwn()
      const started = await deployments.start(asked)
      // Serving it is asking for it: it answers on demand again once that deployment is stopped.
      if (isGuide && deps.use.get() === 'off') setUse('on-demand')
      return started
    },
    async stop(name) {
      const found = deployment()
      if (name !== guideId || !isOnDemand()) return deployments.stop(name)
      // Stopped while it answers or while it only would: both are a wish not to be answered by it.
      setUse('off')
      clearTimeout(timer)
      if (found) await deployments.stop(name)
    },
    async restore() {
      const back = model ?? (await open())
      setUse('on-demand')
      return back
    },
    async remove() {
      const users = deployments.usersOf({ modelId: guideId }).filter((name) => name !== own()?.name)
      if (users.length > 0)
        throw new LanyardError(
          'model_in_use',
          `${guideName} is being served as ${users.join(', ')}.`,
          `Stop it first: lanyard stop ${users[0]}.`,
        )
      await stopOwn()
      model = null
      setUse('removed')
      library.takeOut(guideId)
    },
    close: () => clearTimeout(timer),
  }
}

function contextOf(model: Model): number {
  return Math.min(model.context, mostContext)
}

function requestOf(model: Model): ServeRequest {
  return {
    model: model.id,
    name: guideId,
    on: [{ machine: 'this', devices: [{ kind: 'cpu', index: 0 }] }],
    context: contextOf(model),
  }
}
