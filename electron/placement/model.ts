/** What the planner knows of a model, and the memory one rank of it needs. */
import type { DecoderSpec, EngineSpec, RankSplit } from '../contract/engine.ts'

/** Numbers of values, not bytes. */
export interface WeightSizes {
  /** matrices of attention (and its share of everything read in that phase) */
  attention: number
  /** matrices of the feed-forward layers, all experts */
  ffn: number
  /** of them read for one token: with experts only the chosen ones */
  ffnActive: number
  head: number
  /** the embedding table, whole on every rank, of which a token reads one row; 0 where lm_head's rows stand in it */
  table: number
  /** norms, biases, routers: kept as they are stored */
  other: number
}

export interface PlanModel {
  id: string
  name: string
  decoder: DecoderSpec
  /** bytes of one stored value: 2 or 4 */
  storedBytes: number
  /**
   * the matrices of the layers are stored in few bits: bytes of one value kept that way in memory, and how many columns
   * share a scale (0: all). Absent or null: stored like the rest
   */
  lowBit?: { bytes: number; group: number } | null
  sizesOf(split: RankSplit, rank: number): WeightSizes
}

export type Weights = EngineSpec['weights']
export type KvDtype = EngineSpec['kv']['dtype']

/** Bytes of one matrix value in memory, of the layers and of the head; int8 has a scale per row, int4 one of 16 bits per 32 values or as many as it says. */
export function matrixBytes(weights: Weights, model: PlanModel): { layers: number; head: number } {
  switch (weights) {
    case 'stored':
      return { layers: model.lowBit?.bytes ?? model.storedBytes, head: model.storedBytes }
    case 'f32':
      return { layers: 4, head: 4 }
    case 'bf16':
      return { layers: 2, head: 2 }
    case 'int8':
      return { layers: 1.01, head: 1.01 }
    case 'int4':
    case 'int4:64':
    case 'int4:128': {
      const bytes = 0.5 + 2 / (weights === 'int4' ? 32 : weights === 'int4:64' ? 64 : 128)
      // What is stored in 4 bits is kept as it is.
      return { layers: model.lowBit && model.lowBit.bytes < 1 ? model.lowBit.bytes : bytes, head: bytes }
    }
  }
}

/** Positions in one block of the KV cache. */
export const kvBlockSize = 16

/** Most tokens in one step; sizes the workspace. */
export const stepTokens = 512

/** The rank's process itself: runtime, code, buffers of the data plane. */
const processBytes = 96 * 1024 * 1024

export interface Memory {
  weights: number
  kv: number
  workspace: number
  total: number
}

/** Blocks for `sequences` sequences of `context` positions. */
export function kvBlocksOf(context: number, sequences: number): number {
  return Math.ceil(context / kvBlockSize) * sequences
}

/**
 * KV cache bytes of one position on a rank, as the CPU's cache lays them out: a key fills whole words of 4 bytes, a value
 * whole vectors of 16 numbers, and in int8 each has a factor of 4 bytes. A latent is key and value at once, and in int8 it
 * and what is rotated beside it have a factor each.
 */
export function kvBytesPerToken(d: DecoderSpec, split: RankSplit, kv: KvDtype): number {
  const bytes = { f32: 4, bf16: 2, int8: 1 }[kv]
  const key = Math.ceil((d.headDim * bytes) / 4) * 4
  const value = d.latent ? 0 : Math.ceil(d.headDim / 16) * 16 * bytes
  return d.layers * split.kvHeads.count * (key + value + (kv === 'int8' ? 2 * 4 : 0))
}

/** Values of one token between the residual stream and what attention gives back to it. */
function attentionWorkspace(d: DecoderSpec, { queryHeads, kvHeads }: RankSplit): number {
  if (!d.latent) return 2 * (queryHeads.count + 2 * kvHeads.count) * d.headDim
  const { queryRank, plain, value } = d.latent
  return queryHeads.count * (2 * d.headDim + plain + 2 * value) + kvHeads.count * (queryRank + d.headDim)
}

/** What one rank needs. */
export function memoryOf(
  model: PlanModel,
  split: RankSplit,
  rank: number,
  options: { context: number; sequences: number; weights: Weights; kv: KvDtype },
): Memory {
  const d = model.decoder
  const sizes = model.sizesOf(split, rank)
  const bytes = matrixBytes(options.weights, model)
  const matrices = (sizes.attention + sizes.ffn) * bytes.layers + sizes.head * bytes.head
  const weights = Math.ceil(matrices + (sizes.table + sizes.other) * model.storedBytes)
  const kv = kvBlocksOf(options.context, options.sequences) * kvBlockSize * kvBytesPerToken(d, split, options.kv)
  const perToken = 6 * d.hidden + attentionWorkspace(d, split) + 3 * split.ffn.count
  const workspace = processBytes + 4 * (stepTokens * perToken + 2 * options.sequences * split.vocab.count)
  return { weights, kv, workspace, total: weights + kv + workspace }
}
