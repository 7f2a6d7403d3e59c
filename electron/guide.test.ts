import { expect, test, vi } from 'vitest'
import { createLiveState } from './app-state.ts'
import type { Deployment, ServeRequest } from './contract/deployment.ts'
import { LanyardError } from './contract/errors.ts'
import type { Model } from './contract/model.ts'
import type { GuideUse } from './contract/state.ts'
import { createGuide } from './guide.ts'
import type { GuideDeps } from './guide.ts'
import { fakeModel, fakeServed } from './serving/fake-served.ts'
import type { Served, TokenRequest } from './serving/served.ts'

const model: Model = { ...fakeModel('Lanyard Guide'), id: 'guide', context: 16_384 }
const other: Model = { ...fakeModel('qwen'), id: 'q' }
const asked: TokenRequest = {
  prompt: [65, 66],
  maxTokens: 3,
  stopIds: [],
  minTokens: 0,
  ignoreStop: true,
  sampling: { logprobs: -1 } as TokenRequest['sampling'],
}

/** Deployments that only keep the list, and a library with one other model. */
async function made(
  stored: GuideUse = 'on-demand',
  options: Partial<Pick<GuideDeps, 'folder' | 'idleMs'>> & { broken?: boolean; gate?: Promise<void> } = {},
) {
  let use = stored
  const state = createLiveState({
    version: '',
    machines: [],
    found: [],
    discovery: { on: false, note: '' },
    models: [other],
    guide: null,
    deployments: [],
    jobs: [],
    questions: [],
    openai: { url: '', listening: false },
  })
  const running = new Map<string, Served>()
  const starts: { request: ServeRequest; onDemand: boolean }[] = []
  const guide = await createGuide({
    state,
    folder: options.folder === undefined ? '/app/guide' : options.folder,
    use: {
      get: () => use,
      set: (value) => {
        use = value
      },
    },
    log: () => undefined,
    idleMs: options.idleMs,
    library: {
      async addBuiltIn() {
        if (options.broken) throw new LanyardError('model_unreadable', 'config.json is not JSON.')
        state.update((draft) => {
          draft.models.push(model)
        })
        return model
      },
      takeOut(id) {
        state.update((draft) => {
          draft.models = draft.models.filter((each) => each.id !== id)
        })
      },
      find: (name) => state.get().models.find((each) => each.id === name || each.name === name)!,
    },
    deployments: {
      async start(request, { onDemand } = { onDemand: false }) {
        const name = request.name ?? request.model
        if (running.has(name)) throw new LanyardError('name_taken', 'taken')
        starts.push({ request, onDemand })
        const entry = { name, modelId: request.model, state: 'serving', onDemand } as Deployment
        const ended = (options.gate ?? Promise.resolve()).then(() => {
          running.set(name, { ...fakeServed(name), model: request.model === 'guide' ? model : other })
          state.update((draft) => {
            draft.deployments = [...draft.deployments.filter((each) => each.name !== name), entry]
          })
          return entry
        })
        if (!options.gate) await ended
        return { name, ended }
      },
      async stop(name) {
        if (!running.delete(name)) throw new LanyardError('not_found', 'none')
        state.update((draft) => {
          draft.deployments = draft.deployments.filter((each) => each.name !== name)
        })
      },
      served: {
        list: () => [...running.values()],
        get(name) {
          const found = running.get(name)
          if (!found) throw new LanyardError('not_found', `${name} is not served`)
          return found
        },
      },
      usersOf: ({ modelId }) =>
        state
          .get()
          .deployments.filter((each) => each.modelId === modelId)
          .map((each) => each.name),
    },
  })
  const ask = async (): Promise<number> => {
    let tokens = 0
    for await (const event of guide.served.get('guide').generate(asked, new AbortController().signal))
      if (event.kind === 'tokens') tokens += event.tokens.length
    return tokens
  }
  const serve = (request: Partial<ServeRequest>) => guide.start({ model: 'guide', on: [], ...request })
  const names = () => guide.served.list().map((each) => `${each.name}${each.onDemand ? ' on demand' : ''}`)
  return { guide, state, starts, running, ask, serve, names, use: () => use }
}

test('it is listed from the first start, and its rank starts with the first request, once', async () => {
  const { ask, names, starts, state } = await made()
  expect(names()).toEqual(['guide on demand'])
  expect(starts).toEqual([])
  expect(await Promise.all([ask(), ask()])).toEqual([2, 2])
  expect(await ask()).toBe(2)
  expect(starts).toEqual([
    {
      request: {
        model: 'guide',
        name: 'guide',
        on: [{ machine: 'this', devices: [{ kind: 'cpu', index: 0 }] }],
        context: 8192,
      },
      onDemand: true,
    },
  ])
  expect(state.get().guide).toEqual({ modelId: 'guide', modelName: 'Lanyard Guide', name: 'guide', use: 'on-demand' })
})

test('requests that come while it starts wait for that start', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { ask, starts } = await made('on-demand', { gate: promise })
  const answers = Promise.all([ask(), ask()])
  await vi.waitFor(() => expect(starts).toHaveLength(1))
  resolve()
  expect(await answers).toEqual([2, 2])
  expect(starts).toHaveLength(1)
})

test('without a request for a while it ends, and answers the next one again', async () => {
  const { ask, running, names, starts } = await made('on-demand', { idleMs: 20 })
  await ask()
  await vi.waitFor(() => expect([...running.keys()]).toEqual([]))
  expect(names()).toEqual(['guide on demand'])
  expect(await ask()).toBe(2)
  expect(starts).toHaveLength(2)
})

test('stopped, whether it runs or only would, it answers no more until it is served again', async () => {
  for (const first of [true, false]) {
    const { guide, ask, names, use, serve, running } = await made()
    if (first) await ask()
    await guide.stop('guide')
    expect([names(), use(), [...running.keys()]]).toEqual([[], 'off', []])
    expect(() => guide.served.get('guide')).toThrow('not served')
    await serve({})
    expect([names(), use()]).toEqual([['guide'], 'on-demand'])
  }
  expect((await made('off')).names()).toEqual([])
})

test('it makes way for its own model on other machines; that stopped, it answers as before', async () => {
  const { guide, ask, names, serve, starts, use } = await made()
  await ask()
  await serve({ on: [{ machine: 'a', devices: [] }] })
  expect(starts.at(-1)).toMatchObject({ request: { name: 'guide', on: [{ machine: 'a' }] }, onDemand: false })
  expect(names()).toEqual(['guide'])
  expect(await ask()).toBe(2)
  await guide.stop('guide')
  expect([names(), use()]).toEqual([['guide on demand'], 'on-demand'])
})

test('another model under its name is that model, and real models come first', async () => {
  const { ask, names, serve } = await made()
  await ask()
  await serve({ model: 'q', name: 'qwen' })
  expect(names()).toEqual(['qwen', 'guide on demand'])
  await serve({ model: 'q', name: 'guide' })
  expect(names().toSorted()).toEqual(['guide', 'qwen'])
})

test('removed, it is out of the library until it is brought back, also after a restart', async () => {
  const { guide, ask, names, use, state, serve } = await made()
  await serve({ on: [{ machine: 'a', devices: [] }] })
  await expect(guide.remove()).rejects.toMatchObject({ code: 'model_in_use' })
  await guide.stop('guide')
  await ask()
  await guide.remove()
  expect([names(), use(), state.get().models, state.get().guide?.use]).toEqual([[], 'removed', [other], 'removed'])
  const later = await made('removed')
  expect([later.names(), later.state.get().models]).toEqual([[], [other]])
  await later.guide.restore()
  expect([later.names(), later.use(), later.state.get().models]).toEqual([
    ['guide on demand'],
    'on-demand',
    [other, model],
  ])
})

test('without its files, or with broken ones, everything else works and nothing is promised', async () => {
  for (const options of [{ folder: null }, { broken: true }]) {
    const { guide, names, state, serve } = await made('on-demand', options)
    expect([names(), state.get().guide]).toEqual([[], null])
    await serve({ model: 'q', name: 'qwen' })
    expect(names()).toEqual(['qwen'])
    await expect(guide.restore()).rejects.toMatchObject({
      code: options.broken ? 'model_unreadable' : 'model_missing',
    })
  }
})
