/** What rounding values between ranks costs in accuracy: golden models with bf16 and int8 on the wire, in exact arithmetic. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { WireType } from '../../electron/contract/engine.ts'
import { modelFacts } from '../../electron/models/models.ts'
import type { Golden } from './golden.ts'
import { fixtures, openRanks, part, readJson, ropeAlpha, unevenSplit } from './ranks.ts'

interface Run {
  /** of all positions of all prompts and their greedy continuations, one array per prompt */
  logits: Float32Array[]
  /** greedy steps that choose another token, by how far the golden one leads there */
  others: number[]
  steps: number
}

async function runAll(family: string, fractions: number[], wire: WireType): Promise<Run> {
  const folder = path.join(fixtures ?? '', family)
  const golden = readJson(path.join(folder, 'golden.json')) as Golden
  const splits = unevenSplit(modelFacts(readJson(path.join(folder, 'config.json'))), fractions)
  const ranks = await openRanks(folder, { splits, wire, maxStepTokens: 1024, blocks: 128 })
  const vocab = ranks.facts.decoder.vocab
  const run: Run = { logits: [], others: [], steps: 0 }
  try {
    for (const prompt of golden.prompts) {
      const tokens = [...prompt.ids, ...prompt.greedy.ids.slice(0, -1)]
      const step = part(0, tokens, 0, { sample: null, ropeAlpha: ropeAlpha(ranks.facts, prompt.length) }, 64)
      const logits = (await ranks.step([step], { logits: true })).logits!
      run.logits.push(logits)
      for (const [i, { id, margin }] of prompt.greedy.steps.entries()) {
        const row = logits.subarray((prompt.length - 1 + i) * vocab, (prompt.length + i) * vocab)
        run.steps++
        if (row.indexOf(Math.max(...row)) !== id) run.others.push(margin)
      }
    }
    return run
  } finally {
    await ranks.close()
  }
}

/** Mean error relative to the size of the exact logits; rows of the vocabulary that are only padding are left out. */
function meanError(run: Run, exact: Run): number {
  let error = 0
  let squares = 0
  let count = 0
  for (const [n, logits] of run.logits.entries()) {
    for (const [i, value] of exact.logits[n]!.entries()) {
      if (value === -Infinity) continue
      error += Math.abs(logits[i]! - value)
      squares += value * value
      count++
    }
  }
  return error / count / Math.sqrt(squares / count)
}

const families = ['llama', 'qwen1', 'qwen2', 'qwen3', 'mixtral', 'gemma3']

describe.skipIf(!fixtures)('goldens', () => {
  test.each(families)('%s: bf16 and int8 on the wire change little', async (family) => {
    const exact = await runAll(family, [], 'f32')
    expect(exact.others).toEqual([])
    for (const fractions of [[0.37], [0.21, 0.68]]) {
      const said: string[] = []
      for (const wire of ['bf16', 'int8'] as const) {
        const run = await runAll(family, fractions, wire)
        const error = meanError(run, exact)
        const widest = Math.max(0, ...run.others)
        said.push(`${wire} ${error.toExponential(1)}, ${run.others.length} of ${run.steps} greedy tokens other, by ${widest.toFixed(2)} at most`)
        expect(error).toBeGreaterThan(0)
        expect(error).toBeLessThan(wire === 'bf16' ? 0.01 : 0.04)
        expect(run.others.length / run.steps).toBeLessThan(0.05)
        // In a mixture two experts may score alike, and then a token goes through another one.
        if (family !== 'mixtral') expect(widest).toBeLessThan(0.5)
      }
      console.log(`${family}, ${fractions.length + 1} ranks, mean relative logit error: ${said.join('; ')}`)
    }
  })
})

test.runIf(!fixtures)('the golden models are not beside this checkout', () => {
  console.log('Left out: accuracy of rounded values between ranks (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
