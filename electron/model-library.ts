/** The models of this app: added by path, opened when first needed, kept open while their files stay the same. */
import { randomUUID } from 'node:crypto'
import type { LiveState } from './app-state.ts'
import { LanyardError } from './contract/errors.ts'
import type { Model } from './contract/model.ts'
import { openModel } from './models/models.ts'
import type { OpenModel } from './models/models.ts'

export interface LibraryDeps {
  state: LiveState
  records: { list(): Model[]; put(model: Model): void; delete(id: string): boolean }
  /** names of deployments that use a model */
  usersOf(modelId: string): string[]
}

export interface ModelLibrary {
  /** a folder by path; files stay where they are */
  add(source: string, name?: string): Promise<Model>
  /** by id or name; throws `not_found` */
  find(name: string): Model
  open(model: Model): Promise<OpenModel>
  /** the open model of something that is served: it was opened when it was started */
  opened(modelId: string): OpenModel
  remove(name: string): void
  /** A model that comes with the app, listed last. Its id and name are taken, and the store does not keep it. */
  addBuiltIn(builtIn: { id: string; name: string; purpose: string; source: string }): Promise<Model>
  /** out of the list, whatever uses it */
  takeOut(id: string): void
}

/** What the contract shows of an opened model. */
function shown(opened: OpenModel, own: Pick<Model, 'id' | 'name' | 'purpose' | 'addedAt'>): Model {
  const { stopIds: _stopIds, generation: _generation, files: _files, ...info } = opened.info
  return { ...info, ...own }
}

export function createModelLibrary({ state, records, usersOf }: LibraryDeps): ModelLibrary {
  const open = new Map<string, OpenModel>()
  /** models of the app itself: not in the store */
  const builtIn = new Set<string>()
  state.update((draft) => {
    draft.models = records.list()
  })

  const find = (name: string): Model => {
    const { models } = state.get()
    const found = models.find((model) => model.id === name) ?? models.find((model) => model.name === name)
    if (!found) {
      const names = models.map((model) => model.name).join(', ')
      const { guide } = state.get()
      if (guide?.use === 'removed' && name === guide.modelId)
        throw new LanyardError(
          'not_found',
          'The built-in guide was taken out of the library.',
          `lanyard models add ${name} brings it back.`,
        )
      throw new LanyardError(
        'not_found',
        `No model is called "${name}".`,
        names ? `There are: ${names}.` : 'lanyard models add FOLDER adds one.',
      )
    }
    return found
  }

  return {
    find,
    async add(source, name) {
      const opened = await openModel(source)
      const { info } = opened
      const { models } = state.get()
      const same = models.find((model) => model.path === info.path)
      if (same)
        throw new LanyardError(
          'model_known',
          `${info.path} is already in the library as ${same.name}.`,
          `lanyard serve ${same.name} serves it.`,
        )
      const model = shown(opened, {
        id: randomUUID(),
        name: name ?? info.name,
        purpose: info.purpose,
        addedAt: Date.now(),
      })
      if (models.some((each) => each.name === model.name || each.id === model.name)) {
        throw new LanyardError(
          'model_known',
          `There is already a model called ${model.name}.`,
          'Choose another name with --name.',
        )
      }
      records.put(model)
      open.set(model.id, opened)
      state.update((draft) => {
        // what the user brought stands before what came with the app
        draft.models.splice(draft.models.findLastIndex((each) => !builtIn.has(each.id)) + 1, 0, model)
      })
      return model
    },
    async open(model) {
      // Files may have changed since: what is served must be what is there now.
      const opened = await openModel(model.path)
      open.set(model.id, opened)
      if (opened.info.fingerprint !== model.fingerprint) {
        const fresh = shown(opened, model)
        if (!builtIn.has(model.id)) records.put(fresh)
        state.update((draft) => {
          draft.models = draft.models.map((each) => (each.id === model.id ? fresh : each))
        })
      }
      return opened
    },
    opened(modelId) {
      const opened = open.get(modelId)
      if (!opened) throw new LanyardError('internal', `Model ${modelId} is not open.`)
      return opened
    },
    remove(name) {
      const model = find(name)
      const users = usersOf(model.id)
      if (users.length > 0)
        throw new LanyardError(
          'model_in_use',
          `${model.name} is being served as ${users.join(', ')}.`,
          `Stop it first: lanyard stop ${users[0]}.`,
        )
      records.delete(model.id)
      this.takeOut(model.id)
    },
    async addBuiltIn({ source, ...own }) {
      const opened = await openModel(source)
      const model = shown(opened, { ...own, addedAt: Date.now() })
      builtIn.add(model.id)
      open.set(model.id, opened)
      state.update((draft) => {
        draft.models.push(model)
      })
      return model
    },
    takeOut(id) {
      open.delete(id)
      state.update((draft) => {
        draft.models = draft.models.filter((each) => each.id !== id)
      })
    },
  }
}
