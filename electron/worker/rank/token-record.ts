/**
 * What every request of a deployment has brought so far, so that a client that comes back misses nothing. Whole for
 * requests that go on (their length is bounded by the context), and for the last ended ones.
 */
import type { StepEvent, TokenOut } from '../../contract/worker.ts'

type Ended = StepEvent['ended'][number]

export interface TokenRecord {
  open(requestId: string): void
  /** a request that was refused */
  forget(requestId: string): void
  add(event: StepEvent): void
  /** What came after `received[requestId]` tokens of each request; one that is not known ends as failed. */
  since(received: Record<string, number>): StepEvent
  /** Ends all that go on. Returns the event that says so. */
  endAll(reason: 'aborted' | 'failed', problem: Ended['problem']): StepEvent
}

const keptEnded = 64

export function createTokenRecord(): TokenRecord {
  const requests = new Map<string, { tokens: TokenOut[]; prompt: TokenOut[]; ended: Ended | null }>()
  const endedOrder: string[] = []

  function add(event: StepEvent): void {
    for (const { requestId, tokens } of event.prompts ?? []) requests.get(requestId)?.prompt.push(...tokens)
    for (const { requestId, tokens } of event.tokens) requests.get(requestId)?.tokens.push(...tokens)
    for (const ended of event.ended) {
      const request = requests.get(ended.requestId)
      if (!request || request.ended) continue
      request.ended = ended
      endedOrder.push(ended.requestId)
      if (endedOrder.length > keptEnded) requests.delete(endedOrder.shift()!)
    }
  }

  return {
    open: (requestId) => void requests.set(requestId, { tokens: [], prompt: [], ended: null }),
    forget: (requestId) => void requests.delete(requestId),
    add,
    since(received) {
      const event: StepEvent = { tokens: [], ended: [], waiting: [] }
      for (const [requestId, count] of Object.entries(received)) {
        const request = requests.get(requestId)
        if (!request) {
          const problem = {
            code: 'not_found',
            message: 'The worker does not know this request any more.',
            hint: 'Ask again.',
          }
          event.ended.push({ requestId, reason: 'failed', stopId: null, problem })
          continue
        }
        const tokens = request.tokens.slice(count)
        // Whole: nobody counts those that have come.
        if (count === 0 && request.prompt.length > 0) (event.prompts ??= []).push({ requestId, tokens: request.prompt })
        if (tokens.length > 0) event.tokens.push({ requestId, tokens })
        if (request.ended) event.ended.push(request.ended)
      }
      return event
    },
    endAll(reason, problem) {
      const event: StepEvent = { tokens: [], ended: [], waiting: [] }
      for (const [requestId, request] of requests) {
        if (!request.ended) event.ended.push({ requestId, reason, stopId: null, problem })
      }
      add(event)
      return event
    },
  }
}
