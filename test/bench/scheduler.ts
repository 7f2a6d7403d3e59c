/**
 * `npm run bench -- scheduler [SEQUENCES…]`: the time between native steps, which is what JavaScript costs a deployment. One
 * rank with the real engine and a small random model, through rank 0's own loop; greedy answers of one length.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { defaultSampling } from '../../electron/contract/engine.ts'
import { problemOf } from '../../electron/contract/errors.ts'
import { wholeSplit } from '../../electron/models/models.ts'
import { createServing } from '../../electron/worker/rank/serving.ts'
import { writeMadeUpModel } from '../../native/test/made-up.ts'
import { openRanks, specOf } from '../../native/test/ranks.ts'

/** tokens of each answer */
const tokensOf = (sequences: number): number => (sequences > 64 ? 60 : 200)
const promptTokens = 40
const shape = { hidden: 256, heads: 8, kvHeads: 2, headDim: 32, ffn: 768, layers: 4, vocab: 8192, context: 2048 }

const percentile = (sorted: readonly number[], part: number): number => sorted[Math.floor((sorted.length - 1) * part)]!
const micros = (values: number[]): string => {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.95, 0.99].map((part) => percentile(sorted, part).toFixed(1).padStart(9)).join('')
}

async function measure(folder: string, sequences: number): Promise<void> {
  const options = {
    blocks: sequences * 24,
    maxSequences: sequences,
    maxStepTokens: Math.max(512, sequences),
    threads: 1,
  }
  const ranks = await openRanks(folder, options)
  const idle: number[] = []
  const step: number[] = []
  const work: number[] = []
  const done = Promise.withResolvers<void>()
  const engine: typeof ranks.engine = {
    ...ranks.engine,
    async step(parts) {
      const result = await ranks.engine.step(parts)
      if (parts.length === sequences && parts.every((part) => part.tokens.length === 1)) {
        idle.push(result.micros.idle)
        step.push(result.micros.total)
      }
      return result
    },
  }
  const spec = { ...specOf(ranks.facts, wholeSplit(ranks.facts.decoder), [], options), speculate: false }
  let left = sequences
  const serving = createServing(
    engine,
    spec,
    ({ ended }) => {
      left -= ended.length
      if (left === 0) done.resolve()
    },
    problemOf,
  )
  for (let n = 0; n < sequences; n++) {
    const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 37 + n * 101 + ((i * i) % 11)) % shape.vocab)
    serving.submit({
      deploymentId: 'bench',
      requestId: String(n),
      prompt,
      maxTokens: tokensOf(sequences),
      stopIds: [],
      minTokens: 0,
      ignoreStop: true,
      sampling: { ...defaultSampling, temperature: 0 },
    })
  }
  const before = process.cpuUsage()
  await done.promise
  const { user, system } = process.cpuUsage(before)
  work.push((user + system) / Math.max(step.length, 1))
  await serving.stop()
  await ranks.close()
  console.log(
    `${String(sequences).padStart(9)}${String(step.length).padStart(8)}${micros(idle)}${micros(step)}${work[0]!.toFixed(0).padStart(9)}`,
  )
}

const folder = mkdtempSync(path.join(tmpdir(), 'lanyard-bench-'))
try {
  writeMadeUpModel(folder, shape)
  console.log('µs                  between steps              of a step                    CPU')
  console.log('sequences   steps      p50      p95      p99      p50      p95      p99  a step')
  const asked = process.argv.slice(2).map(Number)
  for (const sequences of asked.length > 0 ? asked : [1, 16, 256]) await measure(folder, sequences)
} finally {
  rmSync(folder, { recursive: true })
}
process.exit(0)
