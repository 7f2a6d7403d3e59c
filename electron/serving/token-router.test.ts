import { describe, expect, test } from 'vitest'
import { defaultSampling } from '../contract/engine.ts'
import type { GenerateRequest } from '../contract/worker.ts'
import type { GenerateEvent, TokenRequest } from './served.ts'
import { createTokenRouter } from './token-router.ts'

const request: TokenRequest = {
  prompt: [1, 2],
  maxTokens: 8,
  stopIds: [],
  minTokens: 0,
  ignoreStop: false,
  sampling: defaultSampling,
}
const token = (id: number) => ({ id, logprob: 0, top: [] })

function rig(submit: (request: GenerateRequest) => void = () => undefined) {
  const submitted: string[] = []
  const aborted: string[] = []
  const router = createTokenRouter('d', {
    submit: async (sent) => {
      submitted.push(sent.requestId)
      submit(sent)
    },
    abort: async (id) => {
      aborted.push(id)
    },
  })
  const collect = async (signal = new AbortController().signal): Promise<GenerateEvent[]> => {
    const events: GenerateEvent[] = []
    for await (const event of router.generate(request, signal)) events.push(event)
    return events
  }
  return { router, submitted, aborted, collect }
}
const ended = (requestId: string) => ({ requestId, reason: 'stop' as const, stopId: 7, problem: null })

describe('tokens of a step', () => {
  test('reach the request they belong to, in order, and no other', async () => {
    const { router, submitted, collect } = rig()
    const both = Promise.all([collect(), collect()])
    await expect.poll(() => submitted.length).toBe(2)
    const [a, b] = submitted as [string, string]
    router.deliver({
      waiting: [{ requestId: a, queued: 0, promptDone: 1, promptTotal: 2 }],
      tokens: [{ requestId: b, tokens: [token(5)] }],
      ended: [],
    })
    router.deliver({
      waiting: [],
      tokens: [
        { requestId: a, tokens: [token(3)] },
        { requestId: b, tokens: [token(6), token(7)] },
      ],
      ended: [ended(b)],
    })
    router.deliver({ waiting: [], tokens: [], ended: [ended(a)] })
    const [first, second] = await both
    expect(first.map((e) => e.kind)).toEqual(['waiting', 'tokens', 'ended'])
    expect(second.flatMap((e) => (e.kind === 'tokens' ? e.tokens.map((t) => t.id) : []))).toEqual([5, 6, 7])
    expect(router.inFlight).toBe(0)
  })

  test('a consumer that leaves early aborts its generation on the machine', async () => {
    const { router, submitted, aborted } = rig(({ requestId }) =>
      queueMicrotask(() => router.deliver({ waiting: [], tokens: [{ requestId, tokens: [token(1)] }], ended: [] })),
    )
    for await (const event of router.generate(request, new AbortController().signal)) {
      expect(event.kind).toBe('tokens')
      break
    }
    expect(aborted).toEqual(submitted)
  })

  test('an aborted signal ends the request at once and tells the machine', async () => {
    const stop = new AbortController()
    const { collect, submitted, aborted } = rig()
    const events = collect(stop.signal)
    await expect.poll(() => submitted.length).toBe(1)
    stop.abort()
    expect(await events).toEqual([{ kind: 'ended', reason: 'aborted', stopId: null, problem: null }])
    expect(aborted).toEqual(submitted)
  })

  test('a lost rank ends what is in flight with the reason and refuses what comes later', async () => {
    const { router, submitted, collect } = rig()
    const events = collect()
    await expect.poll(() => submitted.length).toBe(1)
    const problem = { code: 'rank_lost' as const, message: 'Rank 1 on gpu-2 ended.', hint: '' }
    router.fail(problem)
    expect(await events).toEqual([{ kind: 'ended', reason: 'failed', stopId: null, problem }])
    await expect(collect()).rejects.toMatchObject({ code: 'rank_lost' })
  })
})
