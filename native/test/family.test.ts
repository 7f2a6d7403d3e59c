/** The engine against transformers on made-up models of every family, one to three ranks; needs nothing beside the checkout. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modelFacts } from '../../electron/models/models.ts'
import { goldenNames, readGolden, writeGoldenModel } from '../../electron/models/testing/goldens/golden.ts'
import { cuts, openRanks, part, unevenSplit, worst } from './ranks.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'lanyard-families-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each(goldenNames)('%s', (name) => {
  const golden = readGolden(name)
  const model = path.join(folder, name)
  beforeAll(() => { writeGoldenModel(model, golden) })

  test.each(cuts)('$name', async ({ name: cut, fractions, heads }) => {
    const facts = modelFacts(golden.config)
    const splits = unevenSplit(facts, fractions, heads?.(facts.decoder.queryHeads))
    let largest = 0
    for (const [context, prompts] of Map.groupBy(golden.prompts, (prompt) => prompt.context ?? 0)) {
      const ranks = await openRanks(model, { splits, context, vocabUsed: golden.used })
      try {
        for (const { ids, logits, greedy } of prompts) {
          // In two chunks where the prompt allows it: the second one attends to what the first left in the cache.
          const half = ids.length >> 1
          if (half > 0) await ranks.step([part(0, ids.slice(0, half), 0, { sample: null })])
          const first = await ranks.step([part(0, ids.slice(half), half)], { logits: true })
          const row = first.logits!.subarray(first.logits!.length - logits.length)
          largest = Math.max(largest, worst(row.subarray(0, golden.used), logits.subarray(0, golden.used)))
          const chosen = [first.tokens[0]!.id]
          while (chosen.length < greedy.length) {
            const next = await ranks.step([part(0, [chosen.at(-1)!], ids.length + chosen.length - 1)])
            chosen.push(next.tokens[0]!.id)
          }
          expect(chosen, `greedy tokens after ${ids.length}`).toEqual(greedy)
        }
      } finally {
        await ranks.close()
      }
    }
    console.log(`${name}, ${cut}: worst logit error ${largest.toExponential(1)}`)
    expect(largest).toBeLessThan(1e-3)
  })
})
