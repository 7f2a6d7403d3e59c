/** What must hold for any model and any split: on a made-up model, so that it is tested in every checkout. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SamplingParams } from '../../electron/contract/engine.ts'
import { defaultSampling } from '../../electron/contract/engine.ts'
import { modelFacts } from '../../electron/models/models.ts'
import { small, writeMadeUpModel } from './made-up.ts'
import { chunked, openRanks, part, readJson, testing, type Ranks, type RanksOptions, unevenSplit } from './ranks.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lanyard-engine-'))
  writeMadeUpModel(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

const vocab = small.vocab
const prompt = (length: number, seed = 1) => Array.from({ length }, (_, i) => (i * 37 + seed * 101 + (i * i) % 11) % vocab)
const sampled = (more: Partial<SamplingParams>): SamplingParams => ({ ...defaultSampling, seed: 10, ...more })
const perSlot = 48

async function withRanks<T>(fractions: number[], body: (ranks: Ranks) => Promise<T>, options: RanksOptions = {}): Promise<T> {
  const facts = modelFacts(readJson(path.join(folder, 'config.json')))
  const ranks = await openRanks(folder, {
    splits: unevenSplit(facts, fractions), blocks: 4 * perSlot, maxStepTokens: 1024, maxSequences: 4, ...options,
  })
  try {
    return await body(ranks)
  } finally {
    await ranks.close()
  }
}

async function generate(ranks: Ranks, tokens: number[], count: number, params: SamplingParams, slot = 0): Promise<number[]> {
  const all = [...tokens]
  for (let drawn = 0; drawn < count; drawn++) {
    const start = drawn === 0 ? 0 : all.length - 1
    const step = part(slot, all.slice(start), start,
      { sample: params, drawn, history: all, promptLength: tokens.length }, perSlot)
    all.push((await ranks.step([step])).tokens[0]!.id)
  }
  return all.slice(tokens.length)
}

const largest = (a: Float32Array, b: Float32Array) => a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0)

/** Mean error relative to the deviation of the exact logits. */
function meanError(logits: Float32Array, exact: Float32Array): number {
  const scale = Math.sqrt(exact.reduce((sum, x) => sum + x * x, 0) / exact.length)
  return logits.reduce((sum, x, i) => sum + Math.abs(x - exact[i]!), 0) / logits.length / scale
}

const caches = [['f32'], ['bf16'], ['int8']] as const

describe('the engine', () => {
  test.each(caches)('%s: a prompt in chunks has the very logits of the whole prompt, over several splits of the keys', (kv) =>
    withRanks([], async (ranks) => {
      const tokens = prompt(600)
      const whole = await chunked(ranks, tokens, [600])
      expect(await chunked(ranks, tokens, [1, 16, 15, 33, 200, 300, 35])).toEqual(whole)
    }, { kv }))

  test.each(caches)('%s: a prefix that another sequence has written gives the very logits of reading it again', (kv) =>
    withRanks([], async (ranks) => {
      const tokens = prompt(100)
      const whole = await chunked(ranks, tokens, [100])
      // Slot 2 names the blocks of slot 0 for the first 64 tokens and reads the rest into its own.
      const [known, own] = [0, 2].map((slot) => part(slot, tokens, 0, {}, perSlot).blocks!)
      const step = part(2, tokens.slice(64), 64, { sample: null, blocks: [...known!.slice(0, 4), ...own!.slice(4)] }, perSlot)
      const { logits } = await ranks.step([step], { logits: true })
      expect(logits!).toEqual(whole.slice(64 * vocab))
    }, { kv }))

  test.each(caches)('%s: a sequence has the same logits alone, in a mixed batch, and with any number of threads', async (kv) => {
    const tokens = prompt(530)
    const alone = await withRanks([], async (ranks) => {
      await chunked(ranks, tokens, [529])
      return chunked2(ranks, tokens, [])
    }, { kv })
    const mixed = await withRanks([], async (ranks) => {
      await chunked(ranks, tokens, [529])
      await chunked(ranks, prompt(40, 7), [40], 1)
      return chunked2(ranks, tokens, [part(1, [9], 40, { sample: null }, perSlot), part(2, prompt(90, 3), 0, { sample: null }, perSlot)])
    }, { threads: 3, kv })
    expect(mixed).toEqual(alone)

    async function chunked2(ranks: Ranks, all: number[], others: ReturnType<typeof part>[]): Promise<Float32Array> {
      const own = part(0, all.slice(-1), all.length - 1, { sample: null }, perSlot)
      const { logits } = await ranks.step([...others, own], { logits: true })
      return logits!.slice(logits!.length - vocab)
    }
  })

  test.each(caches)('%s: any split over ranks is near one rank, and repeats exactly', async (kv) => {
    const tokens = prompt(70)
    const one = await withRanks([], (ranks) => chunked(ranks, tokens, [70]), { kv })
    const exact = kv === 'f32' ? one : await withRanks([], (ranks) => chunked(ranks, tokens, [70]))
    for (const fractions of [[0.3], [0.2, 0.9], [0.1, 0.5, 0.6, 0.95]]) {
      const some = await withRanks(fractions, (ranks) => chunked(ranks, tokens, [70]), { kv })
      // Sums over ranks differ by a last bit, and a few values then round to the neighbouring step: of the error that all
      // have, a small part.
      if (kv === 'f32') expect(largest(some, one)).toBeLessThan(1e-4)
      else expect(meanError(some, one)).toBeLessThan(meanError(one, exact) / 20)
      expect(await withRanks(fractions, (ranks) => chunked(ranks, tokens, [70]), { kv })).toEqual(some)
    }
  })

  test('bf16 and int8, on the wire and in the KV cache, change little', async () => {
    const tokens = prompt(70)
    const exact = await withRanks([], (ranks) => chunked(ranks, tokens, [70]))
    const cache = await withRanks([], (ranks) => chunked(ranks, tokens, [70]), { kv: 'bf16' })
    const bytes = await withRanks([], (ranks) => chunked(ranks, tokens, [70]), { kv: 'int8' })
    const wire = await withRanks([0.4], (ranks) => chunked(ranks, tokens, [70]), { wire: 'bf16' })
    const small = await withRanks([0.4], (ranks) => chunked(ranks, tokens, [70]), { wire: 'int8' })
    expect(await withRanks([0.4], (ranks) => chunked(ranks, tokens, [70]), { wire: 'int8' })).toEqual(small)
    const errors = [cache, bytes, wire, small].map((logits) => meanError(logits, exact))
    const [inCache, inBytes, onWire, inSmall] = errors.map((error) => error.toExponential(1))
    console.log(`mean relative logit error: cache in bf16 ${inCache}, in int8 ${inBytes}; bf16 on the wire ${onWire}, int8 ${inSmall}`)
    for (const error of errors) {
      expect(error).toBeGreaterThan(0)
      expect(error).toBeLessThan(0.03)
    }
  })

  test.each([['f32', 1e-5], ['bf16', 1e-5], ['int8', 0.06], ['int4', 0.8], ['int4:64', 0.8], ['int4:128', 0.8]] as const)('weights as %s', async (weights, tolerance) => {
    const tokens = prompt(40)
    const exact = await withRanks([], (ranks) => chunked(ranks, tokens, [40]))
    const mean = await withRanks([], async (ranks) => meanError(await chunked(ranks, tokens, [40]), exact), { weights })
    console.log(`mean relative logit error with ${weights} weights: ${mean.toExponential(1)}`)
    expect(mean).toBeLessThan(tolerance)
  })

  test('the statistics count what was done', () => withRanks([0.5], async (ranks) => {
    await chunked(ranks, prompt(30), [10, 20])
    const stats = ranks.engine.stats()
    expect(stats).toMatchObject({ steps: 2, tokens: 30 })
    expect(stats.weightBytes).toBeGreaterThan(0)
    expect(stats.kvBytes).toBeGreaterThan(0)
    expect(stats.micros.total).toBeGreaterThan(stats.micros.comm)
    expect(['scalar', 'avx2', 'avx512', 'neon']).toContain(stats.kernels)
  }))
})

describe('sampling', () => {
  const ways: [string, SamplingParams][] = [
    ['plain', sampled({})],
    ['temperature and top_p', sampled({ temperature: 0.7, topP: 0.9 })],
    ['top_k', sampled({ topK: 20, temperature: 1.5 })],
    ['min_p', sampled({ minP: 0.05 })],
    ['penalties and bias', sampled({
      temperature: 0.8, topP: 0.95, repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.4, logitBias: [[5, 4], [900, -4]],
    })],
    ['greedy with penalties', sampled({ temperature: 0, repetitionPenalty: 1.5, frequencyPenalty: 1 })],
    ['a top_p that the candidates do not cover', sampled({ temperature: 50, topP: 0.9 })],
    ['a large top_k', sampled({ temperature: 5, topK: 700 })],
  ]

  test.each(ways)('%s: the same tokens on one rank and on three, again and again', async (_, params) => {
    const tokens = prompt(12)
    const one = await withRanks([], (ranks) => generate(ranks, tokens, 16, params))
    expect(await withRanks([0.35, 0.8], (ranks) => generate(ranks, tokens, 16, params))).toEqual(one)
    expect(await withRanks([], (ranks) => generate(ranks, tokens, 16, params, 2))).toEqual(one)
  })

  test.each(ways)('%s: several tokens sampled in one step are those of a step for each', async (_, params) => {
    const tokens = prompt(12)
    const penalised = params.repetitionPenalty !== 1
    const alone = await withRanks([], (ranks) => generate(ranks, tokens, 9, params))
    for (const fractions of [[], [0.35, 0.8]]) {
      await withRanks(fractions, async (ranks) => {
        const history = penalised ? tokens : null
        const first = await ranks.step([part(2, tokens, 0, { sample: params, history, promptLength: 12 }, perSlot)])
        expect(first.tokens.map(({ id }) => id)).toEqual(alone.slice(0, 1))
        // Guessed right up to the sixth token; what comes behind the wrong one is of no use and is written over.
        const guessed = [...alone.slice(0, 5), (alone[5]! + 1) % vocab, 3]
        const more = await ranks.step([part(2, guessed, 12, {
          sample: params, rows: 7, drawn: 1, promptLength: 12, historyKept: penalised ? 12 : 0, history: penalised ? guessed : null,
        }, perSlot)])
        expect(more.tokens.slice(0, 5).map(({ id }) => id)).toEqual(alone.slice(1, 6))
        const last = await ranks.step([part(2, [alone[5]!], 17, {
          sample: params, drawn: 6, promptLength: 12, historyKept: penalised ? 17 : 0, history: penalised ? [alone[5]!] : null,
          blocksKept: 2, blocks: [],
        }, perSlot)])
        expect(last.tokens.map(({ id }) => id)).toEqual(alone.slice(6, 7))
      })
    }
  })

  test('rows with a target are scored: the log probability of that token, and the most likely ones', () => withRanks([0.4, 0.8], async (ranks) => {
    const tokens = prompt(50)
    const { logits } = await ranks.step([part(0, tokens, 0, { sample: null }, perSlot)], { logits: true })
    const targets = [...tokens.slice(11), 7]
    const { tokens: scored } = await ranks.step([
      part(1, tokens, 0, { sample: sampled({ temperature: 0, logprobs: 2, logitBias: [[9, 1000]] }), rows: 41, targets: targets.slice(0, 39) }, perSlot),
    ])
    expect(scored).toHaveLength(41)
    for (let n = 0; n < 39; n++) {
      const row = logits!.subarray((n + 9) * vocab, (n + 10) * vocab)
      const top = Math.max(...row)
      const total = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0))
      expect(scored[n]!.id).toBe(targets[n])
      expect(scored[n]!.logprob).toBeCloseTo(row[targets[n]!]! - total, 4)
      expect(scored[n]!.top[0]!.id).toBe(row.indexOf(top))
    }
    expect(scored.slice(39).map(({ id }) => id)).toEqual([9, 9])
  }))

  test.each([['greedy', 0], ['plain', 1]])('%s: only allowed ids are sampled, whatever the rest', (_, temperature) => withRanks([0.5], async (ranks) => {
    const allowed = [5, 6, 700, 701]
    const ids = await generate(ranks, prompt(12), 30, sampled({ temperature: temperature as number, topP: 0.9, allowedIds: allowed, repetitionPenalty: 1.2 }))
    expect(ids.filter((id) => !allowed.includes(id))).toEqual([])
    expect(new Set(ids).size).toBeGreaterThan(1)
  }))

  test('another seed gives other tokens', () => withRanks([], async (ranks) => {
    const a = await generate(ranks, prompt(12), 16, sampled({ temperature: 2 }))
    expect(await generate(ranks, prompt(12), 16, sampled({ temperature: 2, seed: 11 }))).not.toEqual(a)
  }))

  test.each([
    ['plain', sampled({ temperature: 3 })],
    ['top_k', sampled({ temperature: 3, topK: 12 })],
    ['top_p', sampled({ temperature: 3, topP: 0.7 })],
  ])('%s: draws follow the distribution', (_, params) => withRanks([0.5], async (ranks) => {
    const { logits } = await ranks.step([part(0, [3, 4], 0, {}, perSlot)], { logits: true })
    const expected = testing.sampleProbabilities(logits!.slice(vocab), params, [], 0)
    const draws = 3000
    const counts = new Float64Array(vocab)
    for (let drawn = 0; drawn < draws; drawn++) {
      const { tokens } = await ranks.step([part(0, [4], 1, { sample: params, drawn }, perSlot)])
      counts[tokens[0]!.id]!++
    }
    // Pearson's chi square over tokens expected at least 5 times and the rest together.
    let chi = 0
    let classes = 0
    let restExpected = 0
    let restSeen = 0
    expected.forEach((p, id) => {
      if (p === 0) expect(counts[id]).toBe(0)
      if (p * draws >= 5) {
        chi += (counts[id]! - p * draws) ** 2 / (p * draws)
        classes++
      } else {
        restExpected += p * draws
        restSeen += counts[id]!
      }
    })
    if (restExpected > 5) {
      chi += (restSeen - restExpected) ** 2 / restExpected
      classes++
    }
    expect(classes).toBeGreaterThan(3)
    // Six standard deviations of the chi-square distribution above its mean; the seed is fixed, so this cannot flicker.
    expect(chi).toBeLessThan(classes + 6 * Math.sqrt(2 * classes))
  }))

  test('log probabilities are those of the model, whatever is sampled', () => withRanks([0.45, 0.7], async (ranks) => {
    const params = sampled({ temperature: 0, logprobs: 5, logitBias: [[77, 1000]] })
    const { tokens: [token], logits } = await ranks.step([part(0, prompt(9), 0, { sample: params }, perSlot)], { logits: true })
    const row = [...logits!.slice(8 * vocab)]
    const top = Math.max(...row)
    const total = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0))
    const order = row.map((logit, id) => ({ id, logprob: logit - total })).sort((a, b) => b.logprob - a.logprob || a.id - b.id)
    expect(token!.id).toBe(77)
    expect(token!.logprob).toBeCloseTo(row[77]! - total, 4)
    expect(token!.top.map(({ id }) => id)).toEqual(order.slice(0, 5).map(({ id }) => id))
    token!.top.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(order[i]!.logprob, 4))
  }))

  test('padding rows of the vocabulary are never sampled', () => withRanks([0.5], async (ranks) => {
    const ids = await generate(ranks, prompt(12), 40, sampled({ temperature: 100 }))
    expect(Math.max(...ids)).toBeLessThan(200)
  }, { vocabUsed: 200 }))
})
