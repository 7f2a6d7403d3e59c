/** Products with rounded activations (`compute: fast`) against the goldens, within what bfloat16 and int8 arithmetic may differ. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RankSplit } from '../../electron/contract/engine.ts'
import type { ModelFacts } from '../../electron/models/models.ts'
import { temporaryFolder } from '../../electron/models/testing/folder.ts'
import { makeGguf } from '../../electron/models/testing/make-gguf.ts'
import { rangesOf } from '../../electron/placement/apportion.ts'
import { readTensors, type Golden } from './golden.ts'
import { fixtures, openRanks, part, readJson, ropeAlpha, unevenSplit, worst, type Ranks } from './ranks.ts'

interface Difference {
  /** of the logits of each prompt's last token */
  largest: number
  mean: number
  /** greedy steps that chose as the golden did, and those compared */
  equal: number
  compared: number
  /** continuations that left the golden one at a step that was no close call */
  wide: string[]
}

/** Every prompt with its greedy continuation, which is followed up to the first other token. */
async function compare(ranks: Ranks, golden: Golden, tensors: Map<string, Float32Array>, closeCall: number): Promise<Difference> {
  const vocab = ranks.facts.decoder.vocab
  const result: Difference = { largest: 0, mean: 0, equal: 0, compared: 0, wide: [] }
  for (const prompt of golden.prompts) {
    const alpha = ropeAlpha(ranks.facts, prompt.length)
    const first = await ranks.step([part(0, prompt.ids, 0, { ropeAlpha: alpha })], { logits: true })
    const actual = first.logits!.subarray(first.logits!.length - vocab)
    const expected = tensors.get(prompt.last_logits)!
    let sum = 0
    for (let i = 0; i < vocab; i++) {
      const error = Math.abs(actual[i]! - expected[i]!)
      expect(error).not.toBeNaN()
      result.largest = Math.max(result.largest, error)
      sum += error
    }
    result.mean = Math.max(result.mean, sum / vocab)
    let id = first.tokens[0]!.id
    for (const [i, step] of prompt.greedy.steps.entries()) {
      result.compared++
      if (id !== step.id) {
        if (step.margin >= closeCall) result.wide.push(`${prompt.name}, step ${i}: ${id} instead of ${step.id}`)
        break
      }
      result.equal++
      const next = await ranks.step([part(0, [id], prompt.length + i, { ropeAlpha: alpha })])
      id = next.tokens[0]!.id
    }
  }
  return result
}

const families = ['llama', 'qwen1', 'qwen2', 'qwen3', 'mistral', 'mixtral', 'qwen3_moe', 'phi3', 'gemma2', 'gemma3']

const mixtures = ['mixtral', 'qwen3_moe']

describe.skipIf(!fixtures)('goldens, fast', () => {
  const cases = families.flatMap((family) => [
    { family, weights: 'bf16' as const, ranks: 1, kv: 'f32' as const },
    // Over these caches attention is fast too.
    { family, weights: 'bf16' as const, ranks: 1, kv: 'bf16' as const },
    ...(mixtures.includes(family) ? [] : [{ family, weights: 'bf16' as const, ranks: 1, kv: 'int8' as const }]),
    ...(family === 'llama' || family === 'mixtral'
      ? [
          { family, weights: 'bf16' as const, ranks: 2, kv: 'bf16' as const },
          { family, weights: 'int8' as const, ranks: 1, kv: 'f32' as const },
        ]
      : []),
  ])
  test.each(cases)('$family $weights, $ranks ranks, KV $kv', async ({ family, weights, ranks: count, kv }) => {
    const folder = path.join(fixtures ?? '', family)
    const golden = readJson(path.join(folder, 'golden.json')) as Golden
    const one = await openRanks(folder, { weights, compute: 'fast', kv })
    const ranks = count === 1 ? one : await openRanks(folder, { weights, compute: 'fast', kv, splits: unevenSplit(one.facts, [0.37]) })
    try {
      const close = weights === 'bf16' && kv !== 'int8' ? 0.3 : 1
      const got = await compare(ranks, golden, readTensors(path.join(folder, 'golden.safetensors')), close)
      console.log(
        `${family} ${weights}, ${count} ranks, KV ${kv}: logits differ by ${got.largest.toFixed(3)} at most, ${got.mean.toFixed(3)} in the mean;`,
        `${got.equal} of ${got.compared} greedy tokens equal`,
      )
      // In a mixture two experts may score alike, and then one token goes through another: a wide difference by itself.
      // The rounding of keys alone does that to more of them (kv.test.ts).
      if (kv === 'f32' || !mixtures.includes(family)) expect(got.wide.slice(family === 'mixtral' ? 1 : 0)).toEqual([])
      else expect(got.equal / got.compared).toBeGreaterThan(0.95)
      if (weights === 'bf16') {
        expect(got.largest).toBeLessThan(family === 'gemma3' ? 0.9 : 0.5)
        expect(got.mean).toBeLessThan(family === 'gemma3' ? 0.2 : 0.15)
      } else {
        expect(got.mean).toBeLessThan(0.5)
      }
    } finally {
      await ranks.close()
      if (ranks !== one) await one.close()
    }
  })
})

/** A cut in whole groups of 32 columns, as the planner makes it. */
function cutInGroups(facts: ModelFacts, fractions: number[]): RankSplit[] {
  const { decoder } = facts
  const ffn = rangesOf(decoder.ffn, 32, [...fractions, 1].map((f, i) => f - (fractions[i - 1] ?? 0)))
  const heads = fractions.map((f) => 2 * Math.round((decoder.queryHeads / 2) * f))
  return unevenSplit(facts, fractions, heads).map((own, i) => ({ ...own, ffn: ffn[i]! }))
}

// Blocks of FP8 are 128 columns wide: most of these borders lie within one.
const borders = { 1: [], 2: [0.37], 3: [0.25, 0.6], 5: [0.1, 0.35, 0.5, 0.8] }

describe.skipIf(!fixtures)('low-bit weights as stored, fast', () => {
  const fp8 = ['llama-fp8-tensor', 'llama-fp8-channel', 'qwen3-fp8-block']
  const cases = [
    ...['qwen2-gptq', 'qwen2-awq', 'Q8_0'].flatMap((model) => ([1, 2] as const).map((count) => ({ model, count }))),
    ...fp8.flatMap((model) => ([1, 2, 3, 5] as const).map((count) => ({ model, count }))),
  ]
  test.each(cases)('$model, $count ranks', async ({ model, count }) => {
    using folder = temporaryFolder()
    const family = model === 'Q8_0' ? 'llama' : model
    let place = path.join(fixtures ?? '', family)
    const golden = readJson(path.join(place, 'golden.json')) as Golden
    const tensors = readTensors(path.join(place, 'golden.safetensors'))
    if (model === 'Q8_0') {
      const file = path.join(folder.path, 'model.gguf')
      writeFileSync(file, await makeGguf(place, 'Q8_0', 'llama-bpe'))
      place = file
    }
    // Weights in f32 have exact products: what the rounding of activations alone changes is the difference from these.
    const exact = await openRanks(place, { weights: 'f32' })
    const splits = cutInGroups(exact.facts, borders[count])
    const ranks = await openRanks(place, { weights: 'stored', compute: 'fast', ...(count > 1 ? { splits } : {}) })
    try {
      const got = await compare(ranks, golden, tensors, 1)
      let largest = 0
      for (const prompt of golden.prompts) {
        const [mine, theirs] = await Promise.all(
          [ranks, exact].map(async (one) => (await one.step([part(0, prompt.ids, 0)], { logits: true })).logits!),
        )
        largest = Math.max(largest, worst(mine!, theirs!, exact.facts.decoder))
      }
      console.log(
        `${model}, ${count} ranks: logits differ by ${largest.toFixed(3)} at most from exact products of the same weights,`,
        `by ${got.mean.toFixed(3)} in the mean from the golden ones; ${got.equal} of ${got.compared} greedy tokens equal`,
      )
      expect(largest).toBeGreaterThan(1e-3)
      expect(largest).toBeLessThan(fp8.includes(model) ? 0.4 : 0.9)
      if (family !== 'llama') {
        expect(got.wide).toEqual([])
        expect(got.mean).toBeLessThan(0.15)
      }
    } finally {
      await ranks.close()
      await exact.close()
    }
  })
})

test.runIf(!fixtures)('the golden models are not beside this checkout', () => {
  console.log('Left out: golden logits of the fast arithmetic (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
