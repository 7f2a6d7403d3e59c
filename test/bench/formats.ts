/**
 * `npm run bench -- formats [SEQUENCES…]`: what an output format costs a step with a vocabulary of 151 936 ids. One rank
 * with the real engine and a small random model, through rank 0's own loop, without and with a JSON Schema.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { defaultSampling } from '../../electron/contract/engine.ts'
import { problemOf } from '../../electron/contract/errors.ts'
import { schemaGrammar } from '../../electron/grammar/grammar.ts'
import type { TokenBytes } from '../../electron/grammar/vocabulary.ts'
import { wholeSplit } from '../../electron/models/models.ts'
import { createGrammars } from '../../electron/worker/grammar/grammars.ts'
import { createServing } from '../../electron/worker/rank/serving.ts'
import { writeMadeUpModel } from '../../native/test/made-up.ts'
import { openRanks, specOf } from '../../native/test/ranks.ts'

const tokens = 200
const vocab = 151_936
const stopId = vocab - 1
const shape = { hidden: 64, heads: 4, kvHeads: 2, headDim: 16, ffn: 128, layers: 2, vocab, context: 2048 }
const worker = path.resolve(import.meta.dirname, '..', '..', 'electron', 'worker', 'worker.ts')

const schema = {
  type: 'array',
  minItems: 100,
  items: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      kind: { enum: ['a', 'bb', 'ccc'] },
      score: { type: 'number' },
      tags: { type: 'array', items: { type: 'string' } },
      note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    },
    required: ['name', 'kind', 'score', 'tags', 'note'],
    additionalProperties: false,
  },
}

/** Bytes, then made-up words, some with JSON's own characters in them, as byte-level vocabularies have them. */
function madeUpTokens(): TokenBytes {
  let state = 1
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const letters = 'eeeetttaaooiinnsshhrrddlucmfwypvbgk'
  const odd = '"{}[],:0123456789-\n_\\'
  const seen = new Set<string>()
  while (seen.size < vocab - 300) {
    let word = below(2) === 0 ? ' ' : ''
    for (let left = 1 + below(9); left > 0; left--)
      word += below(30) === 0 ? odd[below(odd.length)]! : letters[below(letters.length)]!
    seen.add(word)
  }
  const parts = [
    ...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)),
    ...[...seen].map((word) => Buffer.from(word)),
  ]
  let end = 0
  return { bytes: Buffer.concat(parts), ends: Uint32Array.from(parts, (part) => (end += part.length)) }
}

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.floor((sorted.length - 1) * part)] ?? 0
const micros = (values: number[]): string => {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.95, 1].map((part) => percentile(sorted, part).toFixed(0).padStart(9)).join('')
}

async function measure(folder: string, sequences: number, ebnf: string | null, given: TokenBytes): Promise<void> {
  const options = { blocks: sequences * 24, maxSequences: sequences, threads: 1 }
  const ranks = await openRanks(folder, options)
  const idle: number[] = []
  const step: number[] = []
  let planned = 0
  const done = Promise.withResolvers<void>()
  const engine: typeof ranks.engine = {
    ...ranks.engine,
    async step(parts) {
      const result = await ranks.engine.step(parts)
      if (parts.every((part) => part.tokens.length === 1)) {
        idle.push(result.micros.idle)
        step.push(result.micros.total)
        planned += parts.length
      }
      return result
    },
  }
  const spec = { ...specOf(ranks.facts, wholeSplit(ranks.facts.decoder), [], options), speculate: false }
  let left = sequences
  let firstAt = 0
  const serving = createServing(
    engine,
    spec,
    (event) => {
      if (firstAt === 0 && event.tokens.length > 0) firstAt = performance.now()
      left -= event.ended.length
      if (left === 0) done.resolve()
    },
    problemOf,
    (own) => createGrammars({ tokens: own, vocab }, worker),
  )
  const began = performance.now()
  if (ebnf !== null) serving.vocabulary(given)
  for (let n = 0; n < sequences; n++) {
    serving.submit({
      deploymentId: 'bench',
      requestId: String(n),
      prompt: Array.from({ length: 8 }, (_, i) => i * 37 + n * 101),
      maxTokens: tokens,
      stopIds: [stopId],
      minTokens: 0,
      ignoreStop: ebnf === null,
      sampling: { ...defaultSampling, seed: n },
      ...(ebnf === null ? {} : { grammar: { ebnf, stopIds: [stopId] } }),
    })
  }
  await done.promise
  await serving.stop()
  await ranks.close()
  const mean = planned / Math.max(step.length, 1)
  console.log(
    `${String(sequences).padStart(9)} ${ebnf === null ? 'free  ' : 'schema'}${String(step.length).padStart(7)}${mean.toFixed(1).padStart(7)}` +
      `${micros(idle)}${micros(step)}${(firstAt - began).toFixed(0).padStart(9)} ms`,
  )
}

// The grammar thread alone keeps no process.
setInterval(() => undefined, 1000)
const folder = mkdtempSync(path.join(tmpdir(), 'lanyard-bench-'))
try {
  writeMadeUpModel(folder, shape)
  const given = madeUpTokens()
  const ebnf = schemaGrammar(schema)
  console.log('µs                        a step    between steps              of a step                    first token')
  console.log('sequences          steps   holds      p50      p95      max      p50      p95      max')
  const asked = process.argv.slice(2).map(Number)
  for (const sequences of asked.length > 0 ? asked : [1, 16]) {
    await measure(folder, sequences, null, given)
    await measure(folder, sequences, ebnf, given)
  }
} finally {
  rmSync(folder, { recursive: true })
}
process.exit(0)
