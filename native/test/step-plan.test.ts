/** What TypeScript writes into a step plan is what C++ reads in it. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SamplingParams } from '../../electron/contract/engine.ts'
import { defaultSampling } from '../../electron/contract/engine.ts'
import { fromSlot, type SequenceStep } from '../../electron/worker/rank/addon.ts'
import { encodePlan } from '../../electron/worker/rank/step-plan.ts'
import { testing, type PlanLimits } from './ranks.ts'

const limits: PlanLimits = { maxTokens: 64, maxSequences: 8, vocab: 1000, context: 200, blockSize: 4, blocks: 100 }
const id = fc.integer({ min: 0, max: limits.vocab - 1 })
const token = fc.oneof(id, fc.constant(fromSlot))
const real = fc.double({ min: 0, max: 100, noNaN: true })
const sampling: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: real, topK: fc.integer(), topP: real, minP: fc.double({ min: 0, max: 1, noNaN: true }),
  repetitionPenalty: fc.double({ min: 0.1, max: 9, noNaN: true }), presencePenalty: real, frequencyPenalty: real,
  seed: fc.oneof(fc.maxSafeInteger(), fc.double({ min: 0, max: 1e6, noNaN: true })),
  logitBias: fc.array(fc.tuple(id, real), { maxLength: 4 }), logprobs: fc.integer({ min: -1, max: 20 }),
  allowedIds: fc.option(fc.uniqueArray(id, { maxLength: 5 }), { nil: null }),
})
const sequence: fc.Arbitrary<SequenceStep> = fc.record({
  slot: fc.nat({ max: limits.maxSequences - 1 }), tokens: fc.array(token, { minLength: 1, maxLength: 8 }), start: fc.nat({ max: 20 }),
  blocksKept: fc.nat({ max: 9 }), blocks: fc.array(fc.nat({ max: limits.blocks - 1 }), { minLength: 7, maxLength: 9 }),
  ropeAlpha: fc.integer({ min: 1, max: 9 }), sample: fc.option(sampling, { nil: null }), rows: fc.nat({ max: 8 }),
  targets: fc.option(fc.array(id, { maxLength: 8 }), { nil: null }), historyKept: fc.nat({ max: 50 }),
  history: fc.option(fc.array(token, { minLength: 8, maxLength: 40 }), { nil: null }), promptLength: fc.nat(), drawn: fc.nat(),
  mask: fc.oneof(
    fc.constant(null),
    fc.record({ kind: fc.constant('ids' as const), words: fc.array(id, { minLength: 1, maxLength: 9 }).map((ids) => Int32Array.from(ids)) }),
    fc.record({ kind: fc.constant('bits' as const), words: fc.array(fc.integer(), { minLength: 32, maxLength: 32 }).map((bits) => Int32Array.from(bits)) }),
  ),
}).map((one) => {
  const rows = Math.min(one.rows, one.tokens.length)
  return { ...one, rows, targets: one.targets?.slice(0, rows) ?? null, historyKept: one.history ? one.historyKept : 0 }
})

/** What native code should make of it. */
function expected(step: SequenceStep): Record<string, unknown> {
  const { sample } = step
  const f = Math.fround
  const given = new Map(sample?.logitBias)
  const allowed = sample?.allowedIds ?? null
  const biases = allowed ? allowed.map((one) => [one, f(given.get(one) ?? 0)]) : (sample?.logitBias ?? []).map(([one, value]) => [one, f(value)])
  return {
    slot: step.slot, start: step.start, blocksKept: step.blocksKept, ropeAlpha: f(step.ropeAlpha), rows: sample ? step.rows : 0,
    temperature: f(sample?.temperature ?? 0), topK: sample?.topK ?? 0, topP: f(sample?.topP ?? 0), minP: f(sample?.minP ?? 0),
    repetitionPenalty: f(sample?.repetitionPenalty ?? 0), presencePenalty: f(sample?.presencePenalty ?? 0),
    frequencyPenalty: f(sample?.frequencyPenalty ?? 0), seed: BigInt.asUintN(64, BigInt(Math.trunc(sample?.seed ?? 0))),
    logprobs: sample?.logprobs ?? -1, historyKept: step.historyKept, promptLength: step.promptLength, drawn: step.drawn,
    onlyBiased: allowed !== null, tokens: step.tokens, blocks: step.blocks, history: step.history ?? [],
    targets: sample ? (step.targets ?? []) : [], biases, mask: [...(step.mask?.words ?? [])], maskIds: step.mask?.kind === 'ids',
  }
}

describe('step plans', () => {
  test('C++ reads what TypeScript writes, for any step', () => {
    fc.assert(fc.property(fc.array(sequence, { minLength: 1, maxLength: 8 }), fc.boolean(), (drawn, logits) => {
      const sequences = drawn.map((one) => (one.sample ? one : { ...one, targets: null }))
      expect(testing.readPlan(encodePlan(sequences, logits), limits)).toEqual({ logits, sequences: sequences.map(expected) })
    }), { numRuns: 300 })
  })

  test('typed arrays say the same as plain ones', () => {
    const plain: SequenceStep = {
      slot: 1, tokens: [5, 6], start: 3, blocks: [9], ropeAlpha: 1, sample: null, history: [1, 2, 3], promptLength: 2, drawn: 0,
    }
    const typed = { ...plain, tokens: Int32Array.of(5, 6), blocks: Uint32Array.of(9), history: Int32Array.of(1, 2, 3) }
    expect([...encodePlan([typed])]).toEqual([...encodePlan([plain])])
  })

  test('a request without a seed gets a new one every time', () => {
    const one: SequenceStep = {
      slot: 0, tokens: [1], start: 0, blocks: [0], ropeAlpha: 1, history: null, promptLength: 1, drawn: 0,
      sample: { ...defaultSampling, seed: null },
    }
    const seeds = new Set(Array.from({ length: 8 }, () => testing.readPlan(encodePlan([one]), limits).sequences[0]!['seed']))
    expect(seeds.size).toBe(8)
  })
})
