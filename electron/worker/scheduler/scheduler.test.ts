import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultSampling } from '../../contract/engine.ts'
import type { GenerateRequest } from '../../contract/worker.ts'
import { fromSlot } from '../rank/addon.ts'
import { range, requestOf, roomy } from '../testing/requests.ts'
import { createSimulatedModel, generateAlone, simulatedVocab } from '../testing/simulated-model.ts'
import { createScheduler } from './scheduler.ts'
import type { Ended, Scheduler, SchedulerOptions, StepPlan } from './scheduler.ts'
import { ropeAlphaOf } from './sequence.ts'

/** Steps until nothing is left, two in flight where that is possible, checking integrity each time. */
function drive(scheduler: Scheduler, options: SchedulerOptions) {
  const model = createSimulatedModel(options.blocks, options.blockSize)
  const out = new Map<string, number[]>()
  const ends = new Map<string, Ended>()
  const inFlight: StepPlan[] = []
  let ahead = 0
  let steps = 0
  for (; ; steps++) {
    scheduler.checkIntegrity()
    for (let plan = scheduler.plan(); plan; plan = scheduler.plan()) {
      scheduler.checkIntegrity()
      if (inFlight.length > 0) ahead++
      inFlight.push(plan)
    }
    expect(inFlight.length).toBeLessThanOrEqual(2)
    const plan = inFlight.shift()
    if (!plan) return { out, ends, steps, ahead }
    const size = plan.sequences.reduce((sum, step) => sum + step.tokens.length, 0)
    expect(size).toBeLessThanOrEqual(options.maxStepTokens)
    expect(size).toBeGreaterThan(0)
    const { tokens, ended } = scheduler.complete(plan, model.step(plan.sequences))
    for (const { requestId, token } of tokens) out.set(requestId, [...(out.get(requestId) ?? []), token.id])
    for (const end of ended) ends.set(end.requestId, end)
    if (steps > 20_000) throw new Error('The scheduler does not come to an end.')
  }
}

describe('scheduler', () => {
  test('a prompt read in chunks gives what it gives in one piece', () => {
    const whole = { ...roomy, maxStepTokens: 100 }
    const chunked = { ...roomy, maxStepTokens: 3 }
    const results = [whole, chunked].map((options) => {
      const scheduler = createScheduler(options)
      scheduler.submit(requestOf('a', range(50)))
      return drive(scheduler, options)
    })
    expect(results[0]!.out).toEqual(results[1]!.out)
    expect(results[0]!.steps).toBe(8)
    expect(results[1]!.steps).toBe(17 + 7)
  })

  test('sequences that generate move in every step while a long prompt is read', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('short', range(4), { maxTokens: 12 }))
    const first = scheduler.plan()!
    scheduler.complete(first, createSimulatedModel(64, 4).step(first.sequences))
    scheduler.submit(requestOf('long', range(100, 1)))
    const plan = scheduler.plan()!
    expect(plan.sequences.map((step) => [step.tokens.length, step.sample !== null])).toEqual([
      [1, true],
      [15, false],
    ])
    expect(scheduler.waiting()).toEqual([{ requestId: 'long', queued: 0, promptDone: 0, promptTotal: 100 }])
  })

  test('the queue tells each request its place', () => {
    const scheduler = createScheduler({ ...roomy, maxSequences: 1 })
    for (const id of ['a', 'b', 'c']) scheduler.submit(requestOf(id, range(20)))
    scheduler.plan()
    expect(scheduler.waiting().map(({ requestId, queued }) => [requestId, queued])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ])
  })

  test('a stop id ends a sequence and is not among its tokens', () => {
    const prompt = range(5)
    const [first, second, third] = generateAlone(requestOf('a', prompt), 1).tokens as [number, number, number]
    expect(new Set([first, second, third]).size).toBe(3)
    const ends = (more: Partial<GenerateRequest>) => {
      const scheduler = createScheduler(roomy)
      scheduler.submit(requestOf('a', prompt, more))
      const { out, ends } = drive(scheduler, roomy)
      return { tokens: out.get('a'), end: ends.get('a') }
    }
    expect(ends({ stopIds: [third] })).toEqual({
      tokens: [first, second],
      end: { requestId: 'a', reason: 'stop', stopId: third, cachedTokens: 0, problem: null },
    })
    expect(ends({ stopIds: [third], ignoreStop: true }).tokens).toHaveLength(8)
    expect(ends({ maxTokens: 2 })).toEqual({
      tokens: [first, second],
      end: { requestId: 'a', reason: 'length', stopId: null, cachedTokens: 0, problem: null },
    })
  })

  test('until minTokens are there, the ids that would end a sequence are made impossible', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(
      requestOf('a', range(5), {
        minTokens: 1,
        stopIds: [3, 4],
        sampling: {
          ...defaultSampling,
          logitBias: [
            [3, 50],
            [9, 1],
          ],
        },
      }),
    )
    const model = createSimulatedModel(64, 4)
    const first = scheduler.plan()!
    expect(first.sequences[0]!.sample!.logitBias).toEqual([
      [9, 1],
      [3, -1e9],
      [4, -1e9],
    ])
    scheduler.complete(first, model.step(first.sequences))
    expect(scheduler.plan()!.sequences[0]!.sample!.logitBias).toEqual([
      [3, 50],
      [9, 1],
    ])
  })

  test('history is given only where a penalty looks at it, with the count of draws', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('plain', range(3)))
    scheduler.submit(
      requestOf('penalty', range(3, 1), {
        sampling: { ...defaultSampling, repetitionPenalty: 1.1 },
      }),
    )
    const model = createSimulatedModel(64, 4)
    const first = scheduler.plan()!
    expect(first.sequences.map((step) => step.history)).toEqual([null, range(3, 1)])
    scheduler.complete(first, model.step(first.sequences))
    const second = scheduler.plan()!
    // The engine keeps what it was given: only the new id follows.
    expect(second.sequences.map((step) => [step.drawn, step.historyKept, step.history?.length ?? 0])).toEqual([
      [1, 0, 0],
      [1, 3, 1],
    ])
    const third = scheduler.plan()!
    expect(
      third.sequences.map((step) => [step.tokens, step.start, step.drawn, step.historyKept, step.history]),
    ).toEqual([
      [[fromSlot], 4, 2, 0, null],
      [[fromSlot], 4, 2, 4, [fromSlot]],
    ])
    expect(scheduler.plan()).toBeNull()
  })

  test('a prompt that does not fit is refused with the numbers', () => {
    const scheduler = createScheduler({ ...roomy, blocks: 5 })
    expect(() => scheduler.submit(requestOf('a', range(20)))).toThrow(
      'The prompt has 20 tokens; with one more to generate, 20 are the most here',
    )
    expect(() => scheduler.submit(requestOf('a', []))).toThrow('empty')
    expect(() => scheduler.submit(requestOf('a', [simulatedVocab]))).toThrow('is not a token of this model')
    expect(() => scheduler.submit(requestOf('a', [1], { maxTokens: 0 }))).toThrow('is not a number of tokens')
    scheduler.submit(requestOf('a', [1]))
    expect(() => scheduler.submit(requestOf('a', [1]))).toThrow('is running already')
  })

  test('a sequence that fills the whole cache ends by length', () => {
    const options = { ...roomy, blocks: 3 }
    const scheduler = createScheduler(options)
    scheduler.submit(requestOf('a', range(5), { maxTokens: 1000 }))
    const { out, ends } = drive(scheduler, options)
    expect(out.get('a')).toHaveLength(7)
    expect(ends.get('a')!.reason).toBe('length')
  })

  test('under pressure the newest gives way, keeps its tokens, and goes on as if nothing had happened', () => {
    const options = { ...roomy, blocks: 9, prefixCache: false }
    const scheduler = createScheduler(options)
    const requests = ['a', 'b', 'c'].map((id, n) => requestOf(id, range(5, n), { maxTokens: 20 }))
    for (const request of requests) scheduler.submit(request)
    const { out } = drive(scheduler, options)
    expect(scheduler.counts().preempted).toBeGreaterThan(0)
    for (const request of requests) expect(out.get(request.requestId)).toEqual(generateAlone(request, 1).tokens)
  })

  test('a prompt that begins like an earlier one is read only where it differs', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('a', range(40)))
    drive(scheduler, roomy)
    scheduler.submit(requestOf('b', [...range(36), 1, 2, 3]))
    const plan = scheduler.plan()!
    expect(plan.sequences[0]).toMatchObject({ start: 36, tokens: [1, 2, 3] })
    expect(scheduler.counts().cachedTokens).toBe(36)
  })

  test('a prompt that is wholly known still computes its last token', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('a', range(8)))
    drive(scheduler, roomy)
    scheduler.submit(requestOf('b', range(8)))
    expect(scheduler.plan()!.sequences[0]).toMatchObject({ start: 4, tokens: range(8).slice(4) })
  })

  test('dynamic NTK is decided by the length of the prompt, keeps to it, and keeps caches apart', () => {
    expect([1, 64, 65, 100, 128, 129].map((length) => ropeAlphaOf(length, 64))).toEqual([1, 1, 3, 3, 3, 7])
    expect(ropeAlphaOf(100, 0)).toBe(1)
    const options = { ...roomy, ntkLength: 10, maxStepTokens: 64 }
    const scheduler = createScheduler(options)
    scheduler.submit(requestOf('short', range(9), { maxTokens: 12 }))
    scheduler.submit(requestOf('long', range(20), { maxTokens: 12 }))
    const { out } = drive(scheduler, options)
    expect(out.get('short')).toEqual(generateAlone(requestOf('short', range(9), { maxTokens: 12 }), 1).tokens)
    expect(out.get('long')).toEqual(generateAlone(requestOf('long', range(20), { maxTokens: 12 }), 3).tokens)
    expect(scheduler.counts().cachedTokens).toBe(0)
  })

  test('a sequence that is aborted during a step is gone at once: later steps may have its blocks and its slot', () => {
    const scheduler = createScheduler(roomy)
    const model = createSimulatedModel(64, 4)
    scheduler.submit(requestOf('a', range(10)))
    const plan = scheduler.plan()!
    expect(scheduler.abort('a')).toBe(true)
    expect(scheduler.abort('a')).toBe(false)
    scheduler.checkIntegrity()
    expect(scheduler.counts()).toMatchObject({ running: 0, kvUsed: 0 })
    scheduler.submit(requestOf('b', range(9, 1)))
    expect(scheduler.plan()).toBeNull()
    expect(scheduler.complete(plan, model.step(plan.sequences))).toEqual({
      tokens: [],
      prompts: [],
      ended: [],
    })
    const next = scheduler.plan()!
    expect(next.sequences[0]).toMatchObject({
      slot: plan.sequences[0]!.slot,
      blocksKept: 0,
      start: 0,
    })
    const { tokens } = scheduler.complete(next, model.step(next.sequences))
    expect(tokens[0]!.token.id).toBe(generateAlone(requestOf('b', range(9, 1)), 1).tokens[0])
  })

  test('a step is planned behind one that only generates; a sequence that has ended brings a token too many', () => {
    const scheduler = createScheduler(roomy)
    const model = createSimulatedModel(64, 4)
    const alone = generateAlone(requestOf('a', range(5)), 1).tokens
    scheduler.submit(requestOf('a', range(5), { stopIds: [alone[2]!] }))
    const first = scheduler.plan()!
    expect(scheduler.plan()).toBeNull()
    scheduler.complete(first, model.step(first.sequences))
    const second = scheduler.plan()!
    const third = scheduler.plan()!
    expect(third.sequences[0]).toMatchObject({ tokens: [fromSlot], start: 6, drawn: 2 })
    expect(scheduler.plan()).toBeNull()
    scheduler.complete(second, model.step(second.sequences))
    const fourth = scheduler.plan()!
    expect(scheduler.complete(third, model.step(third.sequences)).ended).toMatchObject([{ reason: 'stop' }])
    expect(scheduler.counts()).toMatchObject({ running: 0, kvUsed: 0 })
    expect(scheduler.complete(fourth, model.step(fourth.sequences))).toEqual({
      tokens: [],
      prompts: [],
      ended: [],
    })
    expect(scheduler.plan()).toBeNull()
  })

  test('the last token that is allowed is not followed by a step', () => {
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('a', range(5), { maxTokens: 3 }))
    expect(drive(scheduler, roomy)).toMatchObject({ steps: 3, ahead: 1 })
  })

  test('a short prompt is read beside a long one, which is read on all the time', () => {
    const scheduler = createScheduler(roomy)
    const model = createSimulatedModel(64, 4)
    scheduler.submit(requestOf('long', range(100)))
    const first = scheduler.plan()!
    scheduler.complete(first, model.step(first.sequences))
    scheduler.submit(requestOf('short', range(20, 1)))
    const parts = () => {
      const plan = scheduler.plan()!
      scheduler.complete(plan, model.step(plan.sequences))
      return plan.sequences.map((step) => step.tokens.length)
    }
    expect([parts(), parts(), parts()]).toEqual([
      [4, 12],
      [8, 8],
      [1, 15],
    ])
  })

  test('prompts beside running answers are read in pieces that let an answer go on a dozen times a second', () => {
    const options = { ...roomy, blocks: 400, maxStepTokens: 256, context: 1600 }
    const scheduler = createScheduler(options)
    const model = createSimulatedModel(400, 4)
    const step = (micros: number): number[] => {
      const plan = scheduler.plan()!
      scheduler.complete(plan, model.step(plan.sequences), micros)
      return plan.sequences.map(({ tokens }) => tokens.length)
    }
    scheduler.submit(requestOf('answer', range(200), { maxTokens: 100 }))
    step(400_000)
    scheduler.submit(requestOf('long', range(1000, 1)))
    expect(step(80_000)).toEqual([1, 40])
    for (let n = 0; n < 40; n++) step(2_000_000)
    expect(step(2_000_000)).toEqual([1, 16])
  })

  test('a prompt that another one is just reading waits for it instead of reading it too', () => {
    const scheduler = createScheduler(roomy)
    for (const id of ['a', 'b', 'c']) scheduler.submit(requestOf(id, [...range(30), id.charCodeAt(0) % 10]))
    scheduler.submit(requestOf('other', range(5, 3)))
    expect(scheduler.plan()!.sequences).toHaveLength(2)
    scheduler.clear()
    const fresh = createScheduler(roomy)
    const requests = ['a', 'b', 'c'].map((id) => requestOf(id, [...range(30), id.charCodeAt(0) % 10]))
    for (const request of requests) fresh.submit(request)
    const { out, ends } = drive(fresh, roomy)
    for (const request of requests) expect(out.get(request.requestId)).toEqual(generateAlone(request, 1).tokens)
    expect(fresh.counts()).toMatchObject({ promptTokens: 93, cachedTokens: 56 })
    expect(ends.get('b')!.cachedTokens).toBe(28)
  })

  test('a bad word never comes whole, and stop ids not before minTokens', () => {
    const plain = generateAlone(requestOf('a', range(5)), 1).tokens
    const scheduler = createScheduler(roomy)
    scheduler.submit(requestOf('a', range(5), { badWords: [[50], [plain[0]!, plain[1]!]] }))
    const model = createSimulatedModel(64, 4)
    const first = scheduler.plan()!
    expect(first.sequences[0]!.sample!.logitBias).toEqual([[50, -1e9]])
    scheduler.complete(first, model.step(first.sequences))
    const second = scheduler.plan()!
    expect(second.sequences[0]!.sample!.logitBias).toEqual([
      [50, -1e9],
      [plain[1], -1e9],
    ])
    // What may come next hangs on the token that this step samples.
    expect(scheduler.plan()).toBeNull()
  })

  test('log probabilities of a prompt are told once, in order, in any chunks, and nothing of it is taken from the cache', () => {
    for (const maxStepTokens of [3, 7, 100]) {
      const options = { ...roomy, maxStepTokens, blocks: 9 }
      const scheduler = createScheduler(options)
      const model = createSimulatedModel(9, 4)
      scheduler.submit(requestOf('a', range(13), { maxTokens: 12 }))
      scheduler.submit(requestOf('b', range(13), { maxTokens: 12, promptLogprobs: 0 }))
      const told: [number, number][] = []
      const out: number[] = []
      for (let plan = scheduler.plan(); plan; plan = scheduler.plan()) {
        const { prompts, tokens } = scheduler.complete(plan, model.step(plan.sequences))
        for (const { token } of prompts) told.push([token.id, token.logprob])
        for (const { requestId, token } of tokens) if (requestId === 'b') out.push(token.id)
        scheduler.checkIntegrity()
      }
      expect(told).toEqual(
        range(13)
          .slice(1)
          .map((id, n) => [id, -(n + 1)]),
      )
      expect(out).toEqual(generateAlone(requestOf('b', range(13), { maxTokens: 12 }), 1).tokens)
    }
  })

  test('any arrivals and aborts: everyone ends with exactly what it generates alone', () => {
    const request = fc.record({
      length: fc.integer({ min: 1, max: 30 }),
      salt: fc.integer({ min: 0, max: 2 }),
      maxTokens: fc.integer({ min: 1, max: 25 }),
      stopIds: fc.uniqueArray(fc.nat({ max: simulatedVocab - 1 }), { maxLength: 4 }),
      ignoreStop: fc.boolean(),
      arrives: fc.nat({ max: 40 }),
      aborted: fc.option(fc.nat({ max: 60 }), { freq: 4 }),
      duringStep: fc.boolean(),
    })
    const sizes = fc.record({
      blocks: fc.integer({ min: 14, max: 40 }),
      blockSize: fc.constantFrom(1, 4, 5),
      maxStepTokens: fc.integer({ min: 1, max: 20 }),
      maxSequences: fc.integer({ min: 1, max: 6 }),
      ntkLength: fc.constantFrom(0, 8),
      prefixCache: fc.boolean(),
      speculate: fc.boolean(),
    })
    let preempted = 0
    let cached = 0
    let ahead = 0
    let accepted = 0
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), sizes, (drawn, size) => {
        const options = { ...size, context: 60, vocab: simulatedVocab }
        const longest = Math.min(options.context, size.blocks * size.blockSize)
        const scheduler = createScheduler(options)
        const model = createSimulatedModel(size.blocks, size.blockSize)
        const requests = drawn.map((one, n) => ({
          ...one,
          request: requestOf(`r${n}`, range(Math.min(one.length, longest - 1), one.salt), one),
        }))
        const out = new Map<string, number[]>()
        const ends = new Map<string, string>()
        const abort = (step: number, duringStep: boolean): void => {
          for (const { request, aborted, duringStep: when } of requests) {
            if (aborted === step && when === duringStep && scheduler.abort(request.requestId))
              ends.set(request.requestId, 'aborted')
          }
        }
        const inFlight: StepPlan[] = []
        for (let step = 0; step <= 60 || ends.size < requests.length || inFlight.length > 0; step++) {
          if (step > 5000) throw new Error(`Starved: ${requests.length - ends.size} requests.`)
          for (const { request, arrives } of requests) if (arrives === step) scheduler.submit(request)
          abort(step, false)
          for (let next = scheduler.plan(); next; next = scheduler.plan()) {
            scheduler.checkIntegrity()
            if (inFlight.length > 0) ahead++
            inFlight.push(next)
            expect(inFlight.length).toBeLessThanOrEqual(2)
          }
          abort(step, true)
          scheduler.checkIntegrity()
          const plan = inFlight.shift()
          if (!plan) continue
          const { tokens, ended } = scheduler.complete(plan, model.step(plan.sequences))
          scheduler.checkIntegrity()
          for (const { requestId, token } of tokens) out.set(requestId, [...(out.get(requestId) ?? []), token.id])
          for (const end of ended) {
            expect(ends.has(end.requestId)).toBe(false)
            ends.set(end.requestId, end.reason)
          }
        }
        for (const { request } of requests) {
          const most = Math.min(request.maxTokens, longest - request.prompt.length)
          const alone = generateAlone(
            { ...request, maxTokens: most },
            ropeAlphaOf(request.prompt.length, size.ntkLength),
          )
          const got = out.get(request.requestId) ?? []
          if (ends.get(request.requestId) === 'aborted') expect(alone.tokens.slice(0, got.length)).toEqual(got)
          else expect({ tokens: got, reason: ends.get(request.requestId) }).toEqual(alone)
        }
        expect(scheduler.counts()).toMatchObject({ running: 0, waiting: 0, kvUsed: 0 })
        preempted += scheduler.counts().preempted
        cached += scheduler.counts().cachedTokens
        accepted += scheduler.counts().accepted
      }),
      { numRuns: 300 },
    )
    // The property says little unless the rare paths were taken.
    expect(preempted).toBeGreaterThan(0)
    expect(cached).toBeGreaterThan(0)
    expect(ahead).toBeGreaterThan(0)
    expect(accepted).toBeGreaterThan(0)
  })
})
