/** Leads the tokens of every step to the requests that wait for them. */
import { randomUUID } from 'node:crypto'
import { LanyardError, problemOf } from '../contract/errors.ts'
import type { Problem } from '../contract/errors.ts'
import { errorCode } from '../contract/errors.ts'
import type { GenerateRequest, StepEvent } from '../contract/worker.ts'
import type { GenerateEvent, TokenRequest } from './served.ts'

/** What rank 0's machine must do for a request. */
export interface RequestPort {
  submit(request: GenerateRequest): Promise<void>
  abort(requestId: string): Promise<void>
}

interface Pending {
  events: GenerateEvent[]
  wake: (() => void) | null
}

export interface TokenRouter {
  generate(request: TokenRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>
  /** one step's news */
  deliver(event: StepEvent): void
  /** ends everything in flight, for instance because a rank was lost; later requests fail the same way */
  fail(problem: Problem): void
  readonly inFlight: number
}

export function createTokenRouter(deploymentId: string, port: RequestPort): TokenRouter {
  const pending = new Map<string, Pending>()
  let failed: Problem | null = null

  const push = (requestId: string, event: GenerateEvent): void => {
    const entry = pending.get(requestId)
    if (!entry) return
    entry.events.push(event)
    entry.wake?.()
  }

  return {
    get inFlight() {
      return pending.size
    },

    deliver(event) {
      for (const { requestId, queued, promptDone, promptTotal } of event.waiting) {
        push(requestId, { kind: 'waiting', queued, promptDone, promptTotal })
      }
      for (const { requestId, tokens } of event.prompts ?? []) push(requestId, { kind: 'prompt', tokens })
      for (const { requestId, tokens } of event.tokens) push(requestId, { kind: 'tokens', tokens })
      for (const { requestId, reason, stopId, cachedTokens = 0, problem } of event.ended) {
        push(requestId, { kind: 'ended', reason, stopId, cachedTokens, problem: problem && knownProblem(problem) })
      }
    },

    fail(problem) {
      failed = problem
      for (const requestId of pending.keys())
        push(requestId, { kind: 'ended', reason: 'failed', stopId: null, problem })
    },

    async *generate(request, signal) {
      if (failed) throw new LanyardError(failed.code, failed.message, failed.hint)
      const requestId = randomUUID()
      const entry: Pending = { events: [], wake: null }
      pending.set(requestId, entry)
      let ended = false
      const abort = (): void => {
        port.abort(requestId).catch(() => undefined) // a machine that is gone has nothing left to abort
        push(requestId, { kind: 'ended', reason: 'aborted', stopId: null, problem: null })
      }
      try {
        if (signal.aborted) {
          ended = true
          yield { kind: 'ended', reason: 'aborted', stopId: null, problem: null }
          return
        }
        try {
          await port.submit({ ...request, deploymentId, requestId })
        } catch (error) {
          ended = true
          yield { kind: 'ended', reason: 'failed', stopId: null, problem: problemOf(error) }
          return
        }
        signal.addEventListener('abort', abort, { once: true })
        if (signal.aborted) abort()
        for (;;) {
          const event = entry.events.shift()
          if (!event) {
            await new Promise<void>((resolve) => {
              entry.wake = resolve
            })
            entry.wake = null
            continue
          }
          if (event.kind === 'ended') ended = true
          yield event
          if (ended) return
        }
      } finally {
        signal.removeEventListener('abort', abort)
        pending.delete(requestId)
        // The consumer left early (a stop string, a closed connection): nothing may go on running for it.
        if (!ended) port.abort(requestId).catch(() => undefined)
      }
    },
  }
}

/** The worker may be newer than this app: a code not known here is shown as a failed rank. */
function knownProblem(problem: { code: string; message: string; hint: string }): Problem {
  const code = errorCode.safeParse(problem.code)
  return { code: code.success ? code.data : 'rank_failed', message: problem.message, hint: problem.hint }
}
