/** Masks: only allowed ids are ever sampled, on any split of the vocabulary, and otherwise nothing changes. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SamplingParams } from '../../electron/contract/engine.ts'
import { defaultSampling } from '../../electron/contract/engine.ts'
import type { Mask } from '../../electron/grammar/masks.ts'
import { small, writeMadeUpModel } from './made-up.ts'
import { greedy, openRanks, part } from './ranks.ts'
import type { Ranks } from './ranks.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'lanyard-mask-'))
beforeAll(() => writeMadeUpModel(folder))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { vocab, heads, kvHeads, ffn } = small

function bits(ids: readonly number[]): Mask {
  const words = new Int32Array(Math.ceil(vocab / 32))
  for (const id of ids) words[id >> 5]! |= 1 << (id & 31)
  return { kind: 'bits', words }
}

const ids = (list: readonly number[]): Mask => ({ kind: 'ids', words: Int32Array.from(list) })

/** Two ranks with unequal parts of the vocabulary. */
function splits() {
  const cut = 401
  return [
    { queryHeads: { start: 0, count: 3 }, kvHeads: { start: 0, count: 1 }, ffn: { start: 0, count: 64 }, vocab: { start: 0, count: cut } },
    {
      queryHeads: { start: 3, count: heads - 3 }, kvHeads: { start: 1, count: kvHeads - 1 }, ffn: { start: 64, count: ffn - 64 },
      vocab: { start: cut, count: vocab - cut },
    },
  ]
}

async function sample(ranks: Ranks, sampling: SamplingParams, mask: Mask | null, history: number[] | null = null) {
  const { tokens, logits } = await ranks.step(
    [part(0, [3, 99, 1200], 0, { sample: sampling, mask, history, promptLength: 3 })],
    { logits: true },
  )
  return { ...tokens[0]!, logits: logits!.slice(2 * vocab) }
}

const few = [1, 32, 400, 401, 777, 1499]
const many = Array.from({ length: vocab }, (_, id) => id).filter((id) => id % 3 !== 0)

describe.each([1, 2])('%i ranks', (count) => {
  test('only allowed ids come, whatever the settings, and the best of them when greedy', async () => {
    const ranks = await openRanks(folder, count > 1 ? { splits: splits() } : {})
    try {
      const free = await sample(ranks, greedy, null)
      const { logits } = free
      for (const [list, mask] of [[few, ids(few)], [few, bits(few)], [many, bits(many)]] as const) {
        const best = list.reduce((a, b) => (logits[b]! > logits[a]! ? b : a))
        const chosen = await sample(ranks, { ...greedy, logprobs: 3 }, mask)
        expect(chosen.id).toBe(best)
        // Log probabilities are the model's own: the mask does not change them.
        expect(chosen.top[0]!.id).toBe(free.id)
        expect(chosen.logprob).toBeLessThanOrEqual(chosen.top[0]!.logprob)

        const settings: Partial<SamplingParams>[] = [
          {}, { temperature: 2 }, { topK: 5 }, { topP: 0.9 }, { minP: 0.1 }, { topK: 400, topP: 0.99 },
          { repetitionPenalty: 1.5, frequencyPenalty: 1 }, { logitBias: [[list[1]!, 3], [3, 100]] },
        ]
        for (const more of settings) {
          const penalised = more.repetitionPenalty !== undefined
          for (let seed = 0; seed < 12; seed++) {
            const token = await sample(ranks, { ...defaultSampling, ...more, seed }, mask, penalised ? [3, 99, 1200] : null)
            expect([more, list.includes(token.id)]).toEqual([more, true])
          }
        }
      }
      // A mask of everything is no mask.
      const all = bits(Array.from({ length: vocab }, (_, id) => id))
      for (const sampling of [greedy, { ...defaultSampling, seed: 5 }, { ...defaultSampling, seed: 6, topP: 0.8 }]) {
        expect((await sample(ranks, sampling, all)).id).toBe((await sample(ranks, sampling, null)).id)
      }
    } finally {
      await ranks.close()
    }
  })
})

test('a draw under a mask follows the probabilities of what is allowed', async () => {
  const ranks = await openRanks(folder)
  try {
    const { logits } = await sample(ranks, greedy, null)
    const list = [5, 600, 1000]
    const weights = list.map((id) => Math.exp(logits[id]! / 4))
    const total = weights.reduce((a, b) => a + b, 0)
    const counts = list.map(() => 0)
    const draws = 600
    for (let seed = 0; seed < draws; seed++) {
      const { id } = await sample(ranks, { ...defaultSampling, temperature: 4, seed }, ids(list))
      counts[list.indexOf(id)]!++
    }
    for (const [n, count] of counts.entries()) {
      const p = weights[n]! / total
      // Five standard deviations.
      expect(Math.abs(count / draws - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws) + 0.002)
    }
  } finally {
    await ranks.close()
  }
})

test('a mask of another size, or with ids outside the vocabulary, is refused', async () => {
  const ranks = await openRanks(folder)
  try {
    for (const mask of [{ kind: 'bits', words: new Int32Array(3) }, ids([vocab]), ids([-1])] as Mask[]) {
      await expect(sample(ranks, greedy, mask)).rejects.toMatchObject({ code: 'bad_request' })
    }
    expect((await sample(ranks, greedy, ids([7]))).id).toBe(7)
  } finally {
    await ranks.close()
  }
})
