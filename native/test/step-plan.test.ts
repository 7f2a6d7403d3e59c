/** The two writers of step plans, TypeScript and C++, make the same words; the reader refuses what cannot be carried out. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SamplingParams } from '../../electron/contract/engine.ts'
import type { SequenceStep } from '../../electron/worker/rank/addon.ts'
import { encodePlan } from '../../electron/worker/rank/step-plan.ts'
import { testing } from './ranks.ts'

const word = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const real = fc.double({ min: -100, max: 100, noNaN: true })
const sampling: fc.Arbitrary<SamplingParams> = fc.record({
  temperature: real, topK: fc.integer(), topP: real, minP: real, repetitionPenalty: real, presencePenalty: real,
  frequencyPenalty: real, seed: fc.oneof(fc.maxSafeInteger(), fc.double({ min: 0, max: 1e6, noNaN: true })),
  logitBias: fc.array(fc.tuple(word, real), { maxLength: 4 }), logprobs: fc.integer({ min: -1, max: 20 }),
})
const sequence: fc.Arbitrary<SequenceStep> = fc.record({
  slot: word, tokens: fc.array(word, { maxLength: 9 }), start: word, blocks: fc.array(word, { maxLength: 5 }), ropeAlpha: real,
  sample: fc.option(sampling, { nil: null }), history: fc.option(fc.array(word, { maxLength: 9 }), { nil: null }),
  promptLength: word, drawn: word,
})

describe('step plans', () => {
  test('TypeScript and C++ write the same words for any step', () => {
    fc.assert(fc.property(fc.array(sequence, { maxLength: 5 }), fc.boolean(), (sequences, logits) => {
      expect([...encodePlan(sequences, logits)]).toEqual([...testing.encodePlan(sequences, logits)])
    }), { numRuns: 200 })
  })

  test('typed arrays say the same as plain ones', () => {
    const plain: SequenceStep = {
      slot: 1, tokens: [5, 6], start: 3, blocks: [9], ropeAlpha: 1, sample: null, history: [1, 2, 3], promptLength: 2, drawn: 0,
    }
    const typed = { ...plain, tokens: Int32Array.of(5, 6), blocks: Uint32Array.of(9), history: Int32Array.of(1, 2, 3) }
    expect([...encodePlan([typed])]).toEqual([...encodePlan([plain])])
    expect([...testing.encodePlan([typed], false)]).toEqual([...encodePlan([plain])])
  })

  test('a request without a seed gets a new one every time', () => {
    const one: SequenceStep = {
      slot: 0, tokens: [1], start: 0, blocks: [0], ropeAlpha: 1, history: null, promptLength: 1, drawn: 0,
      sample: {
        temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: null,
        logitBias: [], logprobs: -1,
      },
    }
    const seeds = new Set(Array.from({ length: 8 }, () => encodePlan([one]).slice(8 + 13, 8 + 15).join()))
    expect(seeds.size).toBe(8)
  })
})
