/** Ranks of a model in one process, for tests of the addon: every rank has its own group and engine. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { EngineSpec, RankSplit, SamplingParams, TensorSource, WireType } from '../../electron/contract/engine.ts'
import { loadPlan, modelFacts, openModel, readHeaders, wholeSplit, type ModelFacts } from '../../electron/models/models.ts'
import type { Engine, EngineAddon, Group, GroupOptions, SequenceStep, StepResult } from '../../electron/worker/rank/addon.ts'
import { withEncodedPlans } from '../../electron/worker/rank/step-plan.ts'

const root = path.resolve(import.meta.dirname, '../..')
const file = process.env.LANYARD_ENGINE ?? path.join(root, 'dist/native/lanyard_engine.node')
if (!existsSync(file)) throw new Error(`${file} is missing: build the native engine first (npm run build).`)

export interface PlanLimits {
  maxTokens: number
  maxSequences: number
  vocab: number
  context: number
  blockSize: number
  blocks: number
}

/** What the addon exports for tests only. */
interface Testing {
  /** a step plan as native code reads it */
  readPlan(words: Int32Array, limits: PlanLimits): { logits: boolean; sequences: Record<string, unknown>[] }
  /** probabilities that a draw follows, [vocab] */
  sampleProbabilities(logits: ArrayLike<number>, params: SamplingParams, history: ArrayLike<number>, promptLength: number): Float64Array
}

const loaded = createRequire(import.meta.url)(file) as EngineAddon & Testing
export const addon: EngineAddon = withEncodedPlans(loaded)
export const testing: Testing = loaded

/** The golden models, or null where the checkout stands alone. */
export const fixtures = [path.resolve(root, '../shared/fixtures/main')].find((folder) => existsSync(folder)) ?? null

export const readJson = (name: string): unknown => JSON.parse(readFileSync(name, 'utf8'))

const range = (start: number, count: number) => ({ start, count })

/** Cuts 0 … total at these borders; the pieces are what the ranks get. */
function pieces(total: number, borders: number[]): { start: number; count: number }[] {
  const all = [0, ...borders, total]
  return all.slice(1).map((end, i) => range(all[i]!, end - all[i]!))
}

/** A split at these fractions (ascending, one fewer than ranks), each rounded differently so that nothing is aligned. */
export function unevenSplit(facts: ModelFacts, fractions: number[], headBorders?: number[]): RankSplit[] {
  const d = facts.decoder
  const at = (total: number) => fractions.map((f) => Math.round(total * f))
  const group = d.queryHeads / d.kvHeads
  const heads = pieces(d.queryHeads, headBorders ?? at(d.queryHeads))
  const ffn = pieces(d.ffn, at(d.ffn))
  const vocab = pieces(d.vocab, at(d.vocab))
  return heads.map((queryHeads, i) => {
    const first = Math.floor(queryHeads.start / group)
    const last = queryHeads.count === 0 ? first : Math.ceil((queryHeads.start + queryHeads.count) / group)
    return { queryHeads, kvHeads: range(first, last - first), ffn: ffn[i]!, vocab: vocab[i]! }
  })
}

/** Fractions of heads, FFN columns and vocabulary rows at which ranks are cut, for tests of every family. */
export const cuts: { name: string; fractions: number[]; heads?: (count: number) => number[] }[] = [
  { name: '1 rank', fractions: [] },
  { name: '2 ranks, 37 : 63', fractions: [0.37] },
  { name: '3 ranks, 21 : 47 : 32', fractions: [0.21, 0.68] },
  { name: '3 ranks, one without heads', fractions: [0.4, 0.55], heads: (count) => [Math.ceil(count / 2), Math.ceil(count / 2)] },
  { name: '3 ranks, the first without anything', fractions: [0, 0.45], heads: (count) => [0, Math.ceil(count / 2)] },
  { name: '5 ranks', fractions: [0.2, 0.4, 0.6, 0.8] },
  { name: '3 ranks, one without FFN and vocabulary', fractions: [0.5, 0.5], heads: (count) => [1, count - 1] },
]

export interface RanksOptions {
  splits?: RankSplit[]
  wire?: WireType
  weights?: EngineSpec['weights']
  /** default: exact */
  compute?: 'exact' | 'fast'
  kv?: EngineSpec['kv']['dtype']
  threads?: number
  blockSize?: number
  blocks?: number
  maxStepTokens?: number
  maxSequences?: number
  vocabUsed?: number
  context?: number
}

export interface Ranks {
  facts: ModelFacts
  engine: Engine
  engines: Engine[]
  groups: Group[]
  /** settles as the followers do */
  following: Promise<void>[]
  step(sequences: SequenceStep[], options?: { logits?: boolean }): Promise<StepResult>
  close(): Promise<void>
}

export function groupOptions(rank: number, size: number, wire: WireType = 'f32'): GroupOptions {
  return { rank, size, key: new Uint8Array(32).fill(7), epoch: 1, bind: size > 1 ? '127.0.0.1' : '', wire }
}

export function specOf(facts: ModelFacts, split: RankSplit, tensors: TensorSource[], options: RanksOptions = {}): EngineSpec {
  return {
    decoder: facts.decoder,
    split,
    tensors,
    weights: options.weights ?? 'stored',
    compute: options.compute ?? 'exact',
    kv: { blocks: options.blocks ?? 64, blockSize: options.blockSize ?? 16, dtype: options.kv ?? 'f32' },
    maxStepTokens: options.maxStepTokens ?? 256,
    maxSequences: options.maxSequences ?? 8,
    device: { kind: 'cpu', index: 0, threads: options.threads ?? 1 },
  }
}

/** Opens the model in `folder` (or a GGUF file) on as many ranks as there are splits. */
export async function openRanks(folder: string, options: RanksOptions = {}): Promise<Ranks> {
  const gguf = folder.endsWith('.gguf') ? await openModel(folder) : null
  const facts =
    gguf?.facts ??
    modelFacts(readJson(path.join(folder, 'config.json')), {
      ...(options.vocabUsed ? { vocabUsed: options.vocabUsed } : {}),
      ...(options.context ? { context: options.context } : {}),
    })
  const headers = gguf?.headers ?? await readHeaders(folder)
  const splits = options.splits ?? [wholeSplit(facts.decoder)]
  const groups = splits.map((_, rank) => addon.createGroup(groupOptions(rank, splits.length, options.wire)))
  const peers = groups.map((group) => ({ host: '127.0.0.1', port: group.port }))
  await Promise.all(groups.map((group) => group.connect(peers, 10_000)))
  const engines = await Promise.all(splits.map((split, rank) =>
    addon.open(specOf(facts, split, loadPlan(facts, headers, split, rank), options), groups[rank]!)))
  const following = engines.slice(1).map((engine) => engine.follow())
  // Whoever awaits them sees the failure; until then it is not unhandled.
  for (const promise of following) promise.catch(() => undefined)
  return {
    facts, engines, groups, following,
    engine: engines[0]!,
    step: (sequences, stepOptions) => engines[0]!.step(sequences, stepOptions),
    async close() {
      engines[0]!.close()
      await Promise.allSettled(following)
      for (const engine of engines.slice(1)) engine.close()
      for (const group of groups) group.close()
    },
  }
}

export const greedy: SamplingParams = {
  temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0,
  seed: null, logitBias: [], allowedIds: null, logprobs: -1,
}

/** A sequence whose KV blocks lie at slot · perSlot …, in descending order so that nothing depends on their being in order. */
export function part(slot: number, tokens: number[], start: number, more: Partial<SequenceStep> = {}, perSlot = 16): SequenceStep {
  const blocks = Array.from({ length: Math.ceil((start + tokens.length) / 16) }, (_, i) => slot * perSlot + perSlot - 1 - i)
  return { slot, tokens, start, blocks, ropeAlpha: 1, sample: greedy, history: null, promptLength: 0, drawn: 0, ...more }
}

/** The logits of these tokens, fed in chunks of these sizes. */
export async function chunked(
  ranks: Ranks,
  tokens: number[],
  sizes: number[],
  slot = 0,
  perSlot = 48,
): Promise<Float32Array> {
  const rows: Float32Array[] = []
  let start = 0
  for (const size of sizes) {
    const step = part(slot, tokens.slice(start, start + size), start, { sample: null }, perSlot)
    rows.push((await ranks.step([step], { logits: true })).logits!)
    start += size
  }
  return Float32Array.from(rows.flatMap((row) => [...row]))
}

/** The dynamic NTK factor of a prompt (1 where the model has none). */
export function ropeAlpha(facts: ModelFacts, promptLength: number): number {
  const length = facts.decoder.ntkLength
  return length > 0 ? Math.max(2 ** Math.ceil(Math.log2(promptLength / length) + 1) - 1, 1) : 1
}

/**
 * The largest difference; NaN where a value is not a number. With a decoder the padding rows of its vocabulary, which
 * are never sampled, must be −∞ and are left out.
 */
export function worst(actual: Float32Array, expected: Float32Array, decoder?: { vocab: number; vocabUsed: number }): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values instead of ${expected.length}`)
  let largest = 0
  for (let i = 0; i < actual.length; i++) {
    if (decoder && i % decoder.vocab >= decoder.vocabUsed) {
      if (actual[i] !== -Infinity) throw new Error(`padding row ${i % decoder.vocab} has ${actual[i]}`)
      continue
    }
    const error = Math.abs(actual[i]! - expected[i]!)
    if (!(error <= largest)) largest = error
  }
  return largest
}
