/** Guessed tokens change nothing but the number of steps: through rank 0's loop with the real engine, on any number of ranks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultSampling, type SamplingParams } from '../../electron/contract/engine.ts'
import { problemOf } from '../../electron/contract/errors.ts'
import type { SchedulerStats } from '../../electron/contract/worker.ts'
import { modelFacts, wholeSplit } from '../../electron/models/models.ts'
import { createServing } from '../../electron/worker/rank/serving.ts'
import { small, writeMadeUpModel } from './made-up.ts'
import { openRanks, readJson, specOf, unevenSplit } from './ranks.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lanyard-speculation-'))
  writeMadeUpModel(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Asked {
  prompt: number[]
  maxTokens: number
  sampling: SamplingParams
}

/** Few ids are allowed, so that what was there comes again; more often than not it goes on otherwise. */
const sampled = (more: Partial<SamplingParams>): SamplingParams => ({ ...defaultSampling, seed: 5, allowedIds: [3, 700, 1400], ...more })
const prompt = (length: number, salt: number): number[] => Array.from({ length }, (_, i) => (i * 37 + salt * 101) % small.vocab)

/** Greedy and drawn, with penalties and cuts; three together do not fit into the KV cache below. */
const asked: Asked[] = [
  { prompt: prompt(40, 1), maxTokens: 60, sampling: sampled({ temperature: 0 }) },
  { prompt: prompt(33, 2), maxTokens: 70, sampling: sampled({ temperature: 0.5, topP: 0.9 }) },
  { prompt: prompt(50, 3), maxTokens: 60, sampling: sampled({ temperature: 0, repetitionPenalty: 1.3, presencePenalty: 0.4 }) },
  { prompt: prompt(21, 4), maxTokens: 60, sampling: sampled({ temperature: 1 }) },
  { prompt: prompt(60, 5), maxTokens: 40, sampling: sampled({ temperature: 0.7, topK: 2, frequencyPenalty: 0.05 }) },
]

async function run(fractions: number[], speculate: boolean, requests: readonly Asked[], blocks = 128): Promise<{ texts: number[][]; stats: SchedulerStats }> {
  const facts = modelFacts(readJson(path.join(folder, 'config.json')))
  const options = { splits: unevenSplit(facts, fractions), blocks, maxStepTokens: 64, maxSequences: 8 }
  const ranks = await openRanks(folder, options)
  const texts = requests.map((): number[] => [])
  const done = Promise.withResolvers<void>()
  let left = requests.length
  const serving = createServing(
    ranks.engine,
    { ...specOf(facts, wholeSplit(facts.decoder), [], options), speculate },
    ({ tokens, ended }) => {
      for (const { requestId, tokens: list } of tokens) texts[Number(requestId)]!.push(...list.map(({ id }) => id))
      for (const { reason, problem } of ended) if (reason !== 'length') done.reject(new Error(problem?.message ?? reason))
      left -= ended.length
      if (left === 0) done.resolve()
    },
    problemOf,
  )
  serving.done.catch(() => undefined)
  try {
    for (const [n, one] of requests.entries())
      serving.submit({ ...one, deploymentId: 'd', requestId: String(n), stopIds: [], minTokens: 0, ignoreStop: true })
    await done.promise
    return { texts, stats: serving.stats() }
  } finally {
    await serving.stop()
    await ranks.close()
  }
}

describe('speculation', () => {
  let plain: number[][] = []
  beforeAll(async () => {
    // Each alone, nothing guessed: the truth for one rank and for any split of it.
    plain = await Promise.all(asked.map(async (one) => (await run([], false, [one])).texts[0]!))
  })

  test.each([
    ['1 rank', []],
    ['2 ranks', [0.4]],
    ['3 ranks', [0.3, 0.8]],
  ])('%s: every text is what it is alone without guessing, in fewer steps', async (_, fractions) => {
    let accepted = 0
    for (const [n, one] of asked.entries()) {
      const { texts, stats } = await run(fractions, true, [one])
      expect(texts[0]).toEqual(plain[n])
      expect(stats.drafted).toBeGreaterThan(0)
      expect(stats.tokens).toBe(one.maxTokens)
      expect(stats.steps).toBe(one.maxTokens - stats.accepted)
      accepted += stats.accepted
    }
    expect(accepted).toBeGreaterThan(0)
  })

  test.each([
    ['1 rank', []],
    ['3 ranks', [0.3, 0.8]],
  ])('%s: all at once and short of KV blocks as well', async (_, fractions) => {
    const { texts, stats } = await run(fractions, true, asked.slice(0, 3), 14)
    expect(texts).toEqual(plain.slice(0, 3))
    expect(stats.preempted).toBeGreaterThan(0)
    expect(stats.drafted).toBeGreaterThan(0)
  })
})
