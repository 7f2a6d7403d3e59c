/** The engine against what transformers computes from the same weights: every family, one to five ranks. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EngineSpec, RankSplit } from '../../electron/contract/engine.ts'
import { modelFacts, wholeSplit } from '../../electron/models/models.ts'
import { heldBytes } from '../../electron/models/quantisation/quantisation.ts'
import { temporaryFolder } from '../../electron/models/testing/folder.ts'
import { makeGguf } from '../../electron/models/testing/make-gguf.ts'
import { weightSizes } from '../../electron/models/weight-sizes.ts'
import { rangesOf } from '../../electron/placement/apportion.ts'
import { splitsOf } from '../../electron/placement/split.ts'
import { readTensors, type Golden } from './golden.ts'
import { cuts, fixtures, openRanks, part, readJson, ropeAlpha, unevenSplit, worst, type Ranks } from './ranks.ts'

/** Runs every prompt with 31 more greedy tokens; the largest error of its logits. */
async function compare(ranks: Ranks, golden: Golden, tensors: Map<string, Float32Array>): Promise<number> {
  const { decoder } = ranks.facts
  let largest = 0
  for (const prompt of golden.prompts) {
    const alpha = ropeAlpha(ranks.facts, prompt.length)
    const first = await ranks.step([part(0, prompt.ids, 0, { ropeAlpha: alpha })], { logits: true })
    const logits = first.logits!
    largest = Math.max(largest, worst(logits.subarray(logits.length - decoder.vocab), tensors.get(prompt.last_logits)!, decoder))
    if (prompt.all_logits) largest = Math.max(largest, worst(logits, tensors.get(prompt.all_logits)!, decoder))
    const ids = [first.tokens[0]!.id]
    while (ids.length < 32) {
      const next = await ranks.step([part(0, [ids.at(-1)!], prompt.length + ids.length - 1, { ropeAlpha: alpha })])
      ids.push(next.tokens[0]!.id)
    }
    expect(ids, `greedy tokens of ${prompt.name}`).toEqual(prompt.greedy.ids)
  }
  return largest
}

const families = [
  'llama', 'llama-tied-f16', 'qwen1', 'qwen2', 'qwen2-yarn', 'qwen3', 'mistral', 'mixtral', 'qwen3_moe', 'phi3', 'gemma2', 'gemma3',
]

const quantised = ['llama-fp8-channel', 'llama-fp8-tensor', 'qwen3-fp8-block', 'qwen2-gptq', 'qwen2-gptq-actorder', 'qwen2-awq']

/** Opens the model, compares it with its goldens, and gives the bytes of its matrices over all ranks. */
async function check(family: string, name: string, splits: RankSplit[], weights: EngineSpec['weights'], model?: string): Promise<number> {
  const folder = path.join(fixtures ?? '', family)
  const golden = readJson(path.join(folder, 'golden.json')) as Golden
  const ranks = await openRanks(model ?? folder, { splits, weights })
  try {
    const error = await compare(ranks, golden, readTensors(path.join(folder, 'golden.safetensors')))
    console.log(`${family}, ${name}, ${weights}: worst logit error ${error.toExponential(1)}`)
    expect(error).toBeLessThan(1e-3)
    return ranks.engines.reduce((sum, engine) => sum + engine.stats().weightBytes, 0)
  } finally {
    await ranks.close()
  }
}

const factsOf = (family: string) => modelFacts(readJson(path.join(fixtures ?? '', family, 'config.json')))

describe.skipIf(!fixtures)('goldens', () => {
  describe.each(families)('%s', (family) => {
    test.each(cuts)('$name', async ({ name, fractions, heads }) => {
      const facts = factsOf(family)
      await check(family, name, unevenSplit(facts, fractions, heads?.(facts.decoder.queryHeads)), 'stored')
    })

    // What the planner makes of any shares, ranks without one among them.
    test('two plans of random shares', async () => {
      const facts = factsOf(family)
      const plans = fc.sample(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 2, maxLength: 5 }).filter((shares) => shares.some((n) => n > 0)),
        { numRuns: 2, seed: families.indexOf(family) },
      )
      for (const shares of plans) await check(family, `shares ${shares.join(':')}`, splitsOf(facts.decoder, shares), 'stored')
    })
  })

  describe.each(quantised)('%s', (family) => {
    // Cuts within words and groups too: unpacked they must be exact.
    test.each(cuts)('unpacked, $name', async ({ name, fractions, heads }) => {
      const facts = factsOf(family)
      await check(family, name, unevenSplit(facts, fractions, heads?.(facts.decoder.queryHeads)), 'f32')
    })

    // Kept in few bits, cut along groups as the planner does.
    if (family === 'qwen2-gptq-actorder') return
    test.each([1, 2, 3])('as stored, %i ranks', async (size) => {
      const facts = factsOf(family)
      const { decoder, quantisation } = facts
      const fractions = [[], [0.37], [0.25, 0.6]][size - 1]!
      const split = unevenSplit(facts, fractions, fractions.map((f) => 2 * Math.round((decoder.queryHeads / 2) * f)))
      const ffn = rangesOf(decoder.ffn, 32, [...fractions, 1].map((f, i) => f - (fractions[i - 1] ?? 0)))
      const bytes = await check(family, `${size} ranks`, split.map((own, i) => ({ ...own, ffn: ffn[i]! })), 'stored')
      const sizes = weightSizes(facts, wholeSplit(decoder), 0)
      const planned = (sizes.attention + sizes.ffn) * heldBytes(quantisation!) + sizes.head * 2
      expect(bytes / planned).toBeGreaterThan(0.99)
      if (size === 1) expect(bytes / planned).toBeLessThan(1.05)
    })
  })

  test.each([['llama', 'llama-bpe'], ['qwen2', 'qwen2'], ['qwen3', 'qwen2']])('%s converted to GGUF', async (family, pre) => {
    using folder = temporaryFolder()
    const file = path.join(folder.path, 'model.gguf')
    writeFileSync(file, await makeGguf(path.join(fixtures ?? '', family), 'F32', pre))
    const facts = factsOf(family)
    for (const fractions of [[], [0.37], [0.21, 0.68]]) {
      await check(family, `GGUF, ${fractions.length + 1} ranks`, unevenSplit(facts, fractions), 'stored', file)
    }
  })

  test('Q8_0 blocks give the same on any cut, kept and unpacked, near the original', async () => {
    using folder = temporaryFolder()
    const file = path.join(folder.path, 'model.gguf')
    writeFileSync(file, await makeGguf(path.join(fixtures ?? '', 'llama'), 'Q8_0', 'llama-bpe'))
    const facts = factsOf('llama')
    const golden = readJson(path.join(fixtures ?? '', 'llama', 'golden.json')) as Golden
    const prompt = golden.prompts.find(({ length }) => length === 33)!
    const logits = async (fractions: number[], weights: EngineSpec['weights']) => {
      // Whole heads and KV groups: 32 columns of attn_o at least.
      const heads = fractions.map((f) => 2 * Math.round((facts.decoder.queryHeads / 2) * f))
      const ffn = rangesOf(facts.decoder.ffn, 32, [...fractions, 1].map((f, i) => f - (fractions[i - 1] ?? 0)))
      const splits = unevenSplit(facts, fractions, heads).map((own, i) => ({ ...own, ffn: ffn[i]! }))
      const ranks = await openRanks(file, { splits, weights })
      try {
        const { logits: all } = await ranks.step([part(0, prompt.ids, 0)], { logits: true })
        return { last: all!.slice(all!.length - facts.decoder.vocab), bytes: ranks.engine.stats().weightBytes }
      } finally {
        await ranks.close()
      }
    }
    const unpacked = await logits([], 'f32')
    const kept = await logits([], 'stored')
    expect(kept.bytes / unpacked.bytes).toBeLessThan(0.6) // lm_head is f32 in both
    for (const other of [kept, await logits([0.37], 'stored'), await logits([0.3, 0.6], 'f32')])
      expect(worst(other.last, unpacked.last)).toBeLessThan(1e-4)
    const error = worst(unpacked.last, readTensors(path.join(fixtures ?? '', 'llama', 'golden.safetensors')).get(prompt.last_logits)!)
    expect(error).toBeGreaterThan(1e-3)
    expect(error).toBeLessThan(0.5)
  })

  test('columns in another order are kept in bf16', async () => {
    const facts = factsOf('qwen2-gptq-actorder')
    const ranks = await openRanks(path.join(fixtures ?? '', 'qwen2-gptq-actorder'))
    try {
      const sizes = weightSizes(facts, wholeSplit(facts.decoder), 0)
      const planned = (sizes.attention + sizes.ffn) * heldBytes(facts.quantisation!) + sizes.head * 2
      expect(ranks.engine.stats().weightBytes / planned).toBeCloseTo(1, 1)
    } finally {
      await ranks.close()
    }
  })

  test('of 4 bits asked for, what is stored in 4 bits keeps its values', async () => {
    const folder = path.join(fixtures ?? '', 'qwen2-awq')
    const [asked, stored] = await Promise.all((['int4', 'stored'] as const).map((weights) => openRanks(folder, { weights })))
    try {
      // Only lm_head (tied, f16) is rounded.
      const { head } = weightSizes(asked!.facts, wholeSplit(asked!.facts.decoder), 0)
      const saved = stored!.engine.stats().weightBytes - asked!.engine.stats().weightBytes
      expect(saved / (head * (2 - 0.5625))).toBeCloseTo(1, 1)
    } finally {
      await asked!.close()
      await stored!.close()
    }
  })
})

test.runIf(!fixtures)('the golden models are not beside this checkout: only the tests on made-up models ran', () => {
  console.log('Left out: golden logits of the model families (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
