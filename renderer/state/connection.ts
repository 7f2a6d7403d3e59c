/** The connection to the app, kept up: live state comes in, calls go out, a lost connection is tried again. */
import { create } from 'zustand'
import { appContract } from '../../electron/contract/app.ts'
import type { AppContract } from '../../electron/contract/app.ts'
import { LanyardError, problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'
import type { CallName, Client, InputOf, ItemOf, OutputOf, StreamName } from '../../electron/contract/rpc/contract.ts'
import { channelConnection } from '../../electron/contract/rpc/message-transport.ts'
import { connect } from '../../electron/contract/rpc/peer.ts'
import type { AppState } from '../../electron/contract/state.ts'
import { applyEvent, emptyLiveState } from './live-state.ts'
import type { LiveState } from './live-state.ts'
import { Unpaired } from './transport.ts'
import type { Transport } from './transport.ts'

export interface ConnectionState {
  status: 'connecting' | 'open' | 'away' | 'unpaired'
  /** when the next try starts (ms), while away */
  retryAt: number
  /** why the state could not be followed although the app answers */
  problem: Problem | null
  /** counts successful connections, so that screens reload what does not travel in the state */
  epoch: number
}

export const useConnection = create<ConnectionState>(() => ({
  status: 'connecting',
  retryAt: 0,
  problem: null,
  epoch: 0,
}))
export const useLive = create<LiveState>(() => emptyLiveState)

/** Waits between tries, ms; the last one repeats. Short first: a restart of the app takes a second or two. */
export const retryDelays = [500, 1000, 2000, 4000, 8000, 10_000]

let client: Client<AppContract> | null = null
let wake: () => void = () => undefined

/** Tries again at once instead of at `retryAt`. */
export function retryNow(): void {
  wake()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

/** Follows `state.watch`; a missing revision asks for the whole again. Ends when the connection does. */
async function watchState(current: Client<AppContract>): Promise<void> {
  for (;;) {
    const stop = new AbortController()
    let gap = false
    await current.stream(
      'state.watch',
      {},
      (event) => {
        if (gap) return
        const next = applyEvent(useLive.getState(), event)
        if (next === 'gap') {
          gap = true
          stop.abort()
        } else useLive.setState(next)
      },
      { signal: stop.signal },
    )
    if (!gap) return
  }
}

/** Connects and stays connected for the life of the page. */
export async function keepConnected(transport: Transport): Promise<never> {
  for (let failures = 0; ;) {
    try {
      const connection = channelConnection(await transport.open())
      const current = connect(connection, appContract)
      client = current
      const opened = Date.now()
      useConnection.setState((s) => ({ status: 'open', epoch: s.epoch + 1, problem: null }))
      const watching = watchState(current).catch((error: unknown) => {
        const problem = problemOf(error)
        if (problem.code !== 'app_away') useConnection.setState({ problem })
      })
      await Promise.race([current.closed, watching])
      client = null
      current.close()
      // A connection that held for a while starts the waits anew; one that breaks at once does not.
      failures = Date.now() - opened > 5000 ? 0 : failures + 1
    } catch (error) {
      client = null
      if (error instanceof Unpaired) {
        useConnection.setState({ status: 'unpaired' })
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      failures++
    }
    const delay = retryDelays[Math.min(Math.max(0, failures - 1), retryDelays.length - 1)] ?? 10_000
    useConnection.setState({ status: 'away', retryAt: Date.now() + delay })
    await pause(delay)
  }
}

function current(): Client<AppContract> {
  if (!client)
    throw new LanyardError(
      'app_away',
      'Lanyard is not answering right now.',
      'Wait for the connection, then try again.',
    )
  return client
}

export const rpc = {
  call: async <K extends CallName<AppContract>>(
    name: K,
    input: InputOf<AppContract[K]>,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<OutputOf<AppContract[K]>> => current().call(name, input, options),
  stream: async <K extends StreamName<AppContract>>(
    name: K,
    input: InputOf<AppContract[K]>,
    onItem: (item: ItemOf<AppContract[K]>) => void,
    options?: { signal?: AbortSignal },
  ): Promise<OutputOf<AppContract[K]>> => current().stream(name, input, onItem, options),
}

/** A part of the live state; screens render only once it is there, so the fallback shows at most for a frame. */
export function useApp<T>(select: (state: AppState) => T): T {
  return useLive((live) => select(live.state ?? blank))
}

const blank: AppState = {
  version: '',
  machines: [],
  found: [],
  discovery: { on: false, note: '' },
  models: [],
  guide: null,
  deployments: [],
  jobs: [],
  questions: [],
  openai: { url: '', listening: false },
}
