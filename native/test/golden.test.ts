/** The engine against what transformers computes from the same weights: every family, one to three ranks. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { modelFacts } from '../../electron/models/models.ts'
import { readTensors, type Golden } from './golden.ts'
import { cuts, fixtures, openRanks, part, readJson, ropeAlpha, unevenSplit, worst, type Ranks } from './ranks.ts'

/** Runs every prompt with 31 more greedy tokens; the largest error of its logits. */
async function compare(ranks: Ranks, golden: Golden, tensors: Map<string, Float32Array>): Promise<number> {
  const vocab = ranks.facts.decoder.vocab
  let largest = 0
  for (const prompt of golden.prompts) {
    const alpha = ropeAlpha(ranks.facts, prompt.length)
    const first = await ranks.step([part(0, prompt.ids, 0, { ropeAlpha: alpha })], { logits: true })
    const logits = first.logits!
    largest = Math.max(largest, worst(logits.subarray(logits.length - vocab), tensors.get(prompt.last_logits)!))
    if (prompt.all_logits) largest = Math.max(largest, worst(logits, tensors.get(prompt.all_logits)!))
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
  'llama-fp8-channel', 'llama-fp8-tensor', 'qwen3-fp8-block', 'qwen2-gptq', 'qwen2-gptq-actorder', 'qwen2-awq',
]

describe.skipIf(!fixtures)('goldens', () => {
  describe.each(families)('%s', (family) => {
    const folder = path.join(fixtures ?? '', family)
    test.each(cuts)('$name', async ({ name, fractions, heads }) => {
      const golden = readJson(path.join(folder, 'golden.json')) as Golden
      const facts = modelFacts(readJson(path.join(folder, 'config.json')))
      const splits = unevenSplit(facts, fractions, heads?.(facts.decoder.queryHeads))
      const ranks = await openRanks(folder, { splits })
      try {
        const error = await compare(ranks, golden, readTensors(path.join(folder, 'golden.safetensors')))
        console.log(`${family}, ${name}: worst logit error ${error.toExponential(1)}`)
        expect(error).toBeLessThan(1e-3)
      } finally {
        await ranks.close()
      }
    })
  })
})

test.runIf(!fixtures)('the golden models are not beside this checkout: only the tests on made-up models ran', () => {
  console.log('Left out: golden logits of the model families (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
