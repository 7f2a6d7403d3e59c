/** The live state as this client holds it: pure functions from events to the next state. */
import { applyPatches, enablePatches } from 'immer'
import type { AppState, StateEvent } from '../../electron/contract/state.ts'

enablePatches()

export interface LiveState {
  /** null until the first whole state arrived */
  state: AppState | null
  revision: number
}

export const emptyLiveState: LiveState = { state: null, revision: -1 }

/**
 * The state after `event`, or `'gap'` when a change is missing in between (or came before any whole state): the
 * caller then asks for the whole again. A change that was already applied is ignored.
 */
export function applyEvent(live: LiveState, event: StateEvent): LiveState | 'gap' {
  if (event.kind === 'whole') return { state: event.state, revision: event.revision }
  if (live.state === null) return 'gap'
  if (event.revision <= live.revision) return live
  if (event.revision !== live.revision + 1) return 'gap'
  return { state: applyPatches(live.state, event.patches), revision: event.revision }
}
