/**
 * The live state all clients watch: changed through `update`, sent as the whole once and then as patches.
 * Changes are coalesced to at most 20 a second per client.
 */
import { enablePatches, produceWithPatches } from 'immer'
import type { AppState, Patch, StateEvent } from './contract/state.ts'

enablePatches()

const minInterval = 50

export interface LiveState {
  get(): AppState
  update(recipe: (draft: AppState) => void): void
  /** Sends the whole state, then changes, until the signal aborts. */
  watch(send: (event: StateEvent) => void, signal: AbortSignal): Promise<void>
  /** Resolves with the first state for which `test` holds, now or later. */
  until(test: (state: AppState) => boolean, signal?: AbortSignal): Promise<AppState>
}

export function createLiveState(initial: AppState): LiveState {
  let state = initial
  const listeners = new Set<(patches: Patch[]) => void>()

  return {
    get: () => state,
    update(recipe) {
      const [next, patches] = produceWithPatches(state, recipe)
      if (patches.length === 0) return
      state = next
      for (const listener of listeners) listener(patches as Patch[])
    },
    watch(send, signal) {
      return new Promise((resolve) => {
        let revision = 0
        let waiting: Patch[] = []
        let timer: NodeJS.Timeout | undefined
        let last = 0
        const flush = (): void => {
          timer = undefined
          if (waiting.length === 0) return
          last = Date.now()
          send({ kind: 'change', revision: ++revision, patches: waiting })
          waiting = []
        }
        const listener = (patches: Patch[]): void => {
          waiting.push(...patches)
          if (timer === undefined) timer = setTimeout(flush, Math.max(0, minInterval - (Date.now() - last)))
        }
        const end = (): void => {
          listeners.delete(listener)
          clearTimeout(timer)
          resolve()
        }
        if (signal.aborted) return resolve()
        signal.addEventListener('abort', end, { once: true })
        send({ kind: 'whole', revision, state })
        listeners.add(listener)
      })
    },
    until(test, signal) {
      if (test(state)) return Promise.resolve(state)
      return new Promise((resolve, reject) => {
        const check = (): void => {
          if (!test(state)) return
          listeners.delete(check)
          resolve(state)
        }
        listeners.add(check)
        signal?.addEventListener(
          'abort',
          () => {
            listeners.delete(check)
            reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
          },
          { once: true },
        )
      })
    },
  }
}
