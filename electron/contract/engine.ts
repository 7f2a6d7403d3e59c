/**
 * What a rank needs to know to run its part of a model: the decoder's arithmetic, this rank's share of
 * it, and where the bytes of that share lie. Made by `models/` (pure), carried by the worker protocol,
 * handed to the native engine as it is. Native code reads no config.json and no safetensors header.
 */
import * as z from 'zod/mini'

/** How stored values are encoded. `i8`/`i4` are made on load (see `EngineSpec.weights`), never read. */
export const dtype = z.enum(['f32', 'f16', 'bf16'])
export type DType = z.infer<typeof dtype>

/** what matrices are turned into on load; `stored` keeps the file's dtype; int4 has a scale per 32 values or as many as it says */
export const weightsType = z.enum(['stored', 'f32', 'bf16', 'int8', 'int4', 'int4:64', 'int4:128'])

/** what keys and values are kept in; int8: a factor for each position of each KV head, of its keys and of its values */
export const kvType = z.enum(['f32', 'bf16', 'int8'])

/** what values are between ranks; int8: blocks of 64 with a scale */
export const wireType = z.enum(['bf16', 'int8', 'f32'])
export type WireType = z.infer<typeof wireType>

/**
 * What a tensor is for. Matrices are row-major [rows = outputs, cols = inputs] as the published
 * checkpoints store them. Fused roles are the concatenation, row-wise, of this rank's slices:
 * `attn_qkv` = [q; k; v], `ffn_gate_up` = [gate; up].
 */
export const tensorRole = z.enum([
  'embed', // [vocab, hidden], whole on every rank (rows are read on demand)
  'attn_norm', // [hidden]
  'attn_qkv', // [(q + 2·kv) · headDim of this rank, hidden]; with a latent [q · (plain + rotated) or queryRank, then headDim; hidden]
  'attn_qkv_bias', // [(q + 2·kv) · headDim]
  'attn_q_norm', // [headDim]
  'attn_k_norm', // [headDim]
  'attn_q_latent_norm', // [queryRank]
  'attn_q_up', // [q · (plain + rotated) of this rank, queryRank]
  'attn_latent_norm', // [rank]
  'attn_kv_up', // [q · (plain + value) of this rank, rank]: of each head the rows for its keys, then those for its values
  'attn_o', // [hidden, q · headDim of this rank]; with a latent [hidden, q · value]
  'attn_o_bias', // [hidden], given to rank 0 only: a row-parallel bias is added once
  'attn_sinks', // [q] learned sink logits (gpt-oss)
  'attn_post_norm', // [hidden], before the residual add (Gemma)
  'ffn_norm', // [hidden]
  'ffn_gate_up', // [2 · ffn of this rank, hidden]
  'ffn_down', // [hidden, ffn of this rank]
  'ffn_post_norm', // [hidden]
  'router', // [experts, hidden], whole on every rank
  'router_bias', // [experts]
  'router_correction', // [experts], added where experts are chosen, not to their weights
  'expert_gate_up', // one per expert: [2 · ffn of this rank, hidden]
  'expert_gate_up_bias', // [2 · ffn of this rank]
  'expert_down', // one per expert: [hidden, ffn of this rank]
  'expert_down_bias', // [hidden], given to rank 0 only
  'shared_gate_up', // shared expert
  'shared_down',
  'shared_gate', // [1, hidden], Qwen2-MoE; absent: the shared expert is added as it is
  'final_norm', // [hidden]
  'lm_head', // [vocab rows of this rank, hidden]
])
export type TensorRole = z.infer<typeof tensorRole>

/**
 * A run of bytes in a file, or a strided block: `rows` pieces of `rowBytes` bytes, the next one `stride`
 * bytes after the start of the last. Contiguous when stride = rowBytes.
 */
export const extent = z.object({
  file: z.string(),
  offset: z.number(),
  rows: z.number(),
  rowBytes: z.number(),
  stride: z.number(),
})
export type Extent = z.infer<typeof extent>

/**
 * How low-bit values lie in their bytes. r and c count rows (outputs) and columns (inputs).
 * `f8_e4m3`        [rows][cols] bytes
 * `int4_rows`      [rows][cols / 8] words of 32 bits, nibble i = column 8k + i, value + 8
 * `gptq4` `gptq8`  [cols / n][rows] words of 32 bits, part i of a word = column n·k + i (n = 8 or 4 parts)
 * `awq4`           [cols][rows / 8] words of 32 bits, nibbles hold rows 8k + 0, 2, 4, 6, 1, 3, 5, 7
 * `mxfp4`          [rows][cols / 2] bytes, low nibble first, e2m1; blocks of 32 columns
 * `q8_0` `q4_0`    [rows][cols / 32] blocks of llama.cpp, which hold their scales: no tables beside the values
 * `q4_k` … `q6_k`  [rows][cols / 256] such blocks
 */
export const encoding = z.enum([
  'f8_e4m3',
  'int4_rows',
  'gptq4',
  'gptq8',
  'awq4',
  'mxfp4',
  'q8_0',
  'q4_0',
  'q4_k',
  'q5_k',
  'q6_k',
])
export type Encoding = z.infer<typeof encoding>

/** Numbers that belong to a group of values; `e8m0` is a power of two, 2^(byte − 127). */
export const scaleType = z.enum(['f32', 'f16', 'bf16', 'e8m0'])
export type ScaleType = z.infer<typeof scaleType>

const extents = z.array(extent)

/**
 * A run of rows of one published low-bit tensor: value = (stored − zero) · scale, in f32. Each table is cut outward to
 * whole words and groups; `skip` says how far in the piece's first row and column lie.
 */
export const packedPiece = z.object({
  encoding,
  rows: z.number(),
  /** first row and column, counted from the border of the word or group that holds them */
  skip: z.object({ rows: z.number(), cols: z.number() }),
  /** how many rows and columns share a scale */
  group: z.object({ rows: z.number(), cols: z.number() }),
  values: extents,
  scaleType,
  /** [row groups][column groups]; `gptq` and `awq` [column groups][rows]; none: 1 */
  scales: extents,
  /** packed as the values of `gptq` and `awq` along rows: [column groups][rows / n] words; none: the middle of the range */
  zeros: extents,
  /** added to stored zeros: 1 where a file keeps zero − 1 */
  zeroOffset: z.number(),
  /** i32 per column: its group, where columns were quantised in another order (GPTQ act-order); then scales and zeros are those of all groups */
  columnGroups: extents,
})
export type PackedPiece = z.infer<typeof packedPiece>

/**
 * One tensor of this rank: the extents, one below the other, are its rows. A low-bit tensor has no extents of its own
 * but pieces, one below the other; its `dtype` is what they unpack to.
 */
export const tensorSource = z.object({
  role: tensorRole,
  /** 0-based layer, −1 for tensors of the whole model */
  layer: z.number(),
  /** 0-based expert, −1 for everything else */
  expert: z.number(),
  dtype,
  rows: z.number(),
  cols: z.number(),
  extents,
  packed: z.optional(z.array(packedPiece)),
  /**
   * Absent: row by row. `columns`: the one extent holds the matrix column by column, [cols][rows].
   * `paired_columns`: so too, and values 2i and 2i + 1 of a column are rows i and rows/2 + i (gate and up interleaved).
   */
  stored: z.optional(z.enum(['columns', 'paired_columns'])),
})
export type TensorSource = z.infer<typeof tensorSource>

/** The tables of a piece, in the order in which a shard holds them. */
export const pieceTables = ['values', 'scales', 'zeros', 'columnGroups'] as const

/** All bytes of a tensor, in the order in which a shard holds them. */
export function extentsOf(source: TensorSource): Extent[] {
  if (!source.packed) return source.extents
  return source.packed.flatMap((piece) => pieceTables.flatMap((table) => piece[table]))
}

/** Rotary embedding as numbers: every scaling rule that needs no run-time length is already in `invFreq`. */
export const rope = z.object({
  /** radians per position, [dim / 2] */
  invFreq: z.array(z.number()),
  /** rotated values per head, ≤ headDim */
  dim: z.number(),
  /** factor on cos and sin (YaRN, LongRoPE); 1 otherwise */
  attentionFactor: z.number(),
  /** the base, for dynamic NTK, which changes it per sequence: base' = base · alpha^(dim/(dim−2)) */
  theta: z.number(),
  /** values 2i and 2i + 1 are rotated instead of i and dim/2 + i (DeepSeek); absent = no */
  interleaved: z.optional(z.boolean()),
})
export type Rope = z.infer<typeof rope>

/**
 * Multi-head latent attention (DeepSeek) with its key and value matrices multiplied into queries and outputs: one KV head
 * that every rank with query heads holds. Its key is a latent with rotated values behind it, `headDim` together, and its
 * value is that latent, which is not kept a second time.
 */
export const latent = z.object({
  /** values of the latent, a multiple of 16; the others of `headDim` are rotated */
  rank: z.number(),
  /** of the latent that queries are made of; 0: they are made of the hidden state */
  queryRank: z.number(),
  /** values of a head's query in front of the rotated ones */
  plain: z.number(),
  /** values of a head that `attn_o` reads, a multiple of 16 */
  value: z.number(),
  /** of the norms of both latents */
  normEps: z.number(),
})

/** How a router's scores choose and weigh experts, where it is not by the softmax over all alone. */
export const routing = z.object({
  /** of each score by itself, instead of the softmax */
  sigmoid: z.boolean(),
  /** of equal sizes; only experts of the best `groupsUsed` are candidates */
  groups: z.number(),
  groupsUsed: z.number(),
  /** a group is as good as the sum of so many of its best experts */
  groupBest: z.number(),
  /** on the weights, after they are renormalised */
  factor: z.number(),
})

/** The decoder's arithmetic. All sizes are those of the whole model; a rank's own are in `RankSplit`. */
export const decoderSpec = z.object({
  family: z.string(),
  hidden: z.number(),
  layers: z.number(),
  queryHeads: z.number(),
  kvHeads: z.number(),
  headDim: z.number(),
  /** FFN width (of one expert where experts > 0) */
  ffn: z.number(),
  /** rows of the embedding table and lm_head */
  vocab: z.number(),
  /** ids ≥ this are padding and never sampled */
  vocabUsed: z.number(),
  /** most positions a sequence may have */
  context: z.number(),
  normEps: z.number(),
  /** RMSNorm multiplies by (1 + w) (Gemma) */
  normPlusOne: z.boolean(),
  /** `swiglu_clamped`: (up + 1) · gate · σ(alpha · gate) with gate ≤ limit, |up| ≤ limit, in experts only (gpt-oss) */
  activation: z.enum(['silu', 'gelu_tanh', 'swiglu_clamped']),
  /** of `swiglu_clamped` */
  clamp: z.optional(z.object({ alpha: z.number(), limit: z.number() })),
  /** factor on embeddings; 1 for most */
  embedScale: z.number(),
  /** factor on q·k, usually headDim^−½ */
  attentionScale: z.number(),
  /** c·tanh(x/c) on attention scores; 0 = off */
  attentionSoftcap: z.number(),
  /** c·tanh(x/c) on logits; 0 = off */
  logitSoftcap: z.number(),
  /** RMSNorm on each q and k head before the rotation */
  qkNorm: z.boolean(),
  /** tables a layer may use */
  ropes: z.array(rope),
  /** per layer: index into `ropes` */
  layerRope: z.array(z.number()),
  /** per layer: a query at p sees keys p−W+1 … p; 0 = all */
  layerWindow: z.array(z.number()),
  /** Qwen1: q · log(p)/log(lognLength) for 1-based p > lognLength; 0 = off */
  lognLength: z.number(),
  /** Qwen1: alpha of a sequence = max(2^ceil(log2(promptLen/this) + 1) − 1, 1), fixed at prefill; 0 = off */
  ntkLength: z.number(),
  /** absent: ordinary attention */
  latent: z.optional(latent),
  /** experts per MoE layer; 0 = dense */
  experts: z.number(),
  expertsPerToken: z.number(),
  /** renormalise the chosen experts' probabilities */
  expertsNormalise: z.boolean(),
  /** absent: softmax, no groups, factor 1 */
  routing: z.optional(routing),
  /** per layer: does it have experts */
  layerMoe: z.array(z.boolean()),
})
export type DecoderSpec = z.infer<typeof decoderSpec>

const range = z.object({ start: z.number(), count: z.number() })

/** What one rank owns. Query heads may be cut inside a KV group: then both ranks hold that KV head. */
export const rankSplit = z.object({
  queryHeads: range,
  /** the KV heads that those query heads read */
  kvHeads: range,
  ffn: range,
  vocab: range,
})
export type RankSplit = z.infer<typeof rankSplit>

/** Everything `open` needs on one rank. */
export const engineSpec = z.object({
  decoder: decoderSpec,
  split: rankSplit,
  tensors: z.array(tensorSource),
  weights: weightsType,
  /**
   * `exact`: products take activations as f32. `fast` (when absent): rounded to what the weights are kept in; f32 and
   * f16 weights stay exact. Either way a token's result does not depend on what else is in the batch.
   */
  compute: z.optional(z.enum(['exact', 'fast'])),
  kv: z.object({ blocks: z.number(), blockSize: z.number(), dtype: kvType }),
  /** most tokens in one step (sizes the workspace) */
  maxStepTokens: z.number(),
  maxSequences: z.number(),
  /** guess tokens from what stood before and check several at once where it pays; absent = yes */
  speculate: z.optional(z.boolean()),
  device: z.object({ kind: z.enum(['cpu', 'cuda']), index: z.number(), threads: z.number() }),
  /**
   * Where the weights are kept as the device lays them out, so that the next start maps instead of packing; the worker fills it
   * in. A file of another key (or another layout, or damaged) is replaced.
   */
  prepacked: z.optional(z.object({ file: z.string(), key: z.string() })),
})
export type EngineSpec = z.infer<typeof engineSpec>

/**
 * How the next token of a sequence is chosen. Order as in vLLM: allowed ids, bias, penalties, temperature, min_p, top_k,
 * top_p.
 */
export const samplingParams = z.object({
  temperature: z.number(),
  topK: z.number(),
  topP: z.number(),
  minP: z.number(),
  repetitionPenalty: z.number(),
  presencePenalty: z.number(),
  frequencyPenalty: z.number(),
  seed: z.nullable(z.number()),
  logitBias: z.array(z.tuple([z.number(), z.number()])),
  /** no other id is ever sampled; null = all are */
  allowedIds: z.nullable(z.array(z.number())),
  /** tokens to report log probabilities for at each step; −1 = none */
  logprobs: z.number(),
})
export type SamplingParams = z.infer<typeof samplingParams>

/** Sampling as OpenAI's defaults have it, greedy when the temperature is 0. */
export const defaultSampling: SamplingParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: null,
  logitBias: [],
  allowedIds: null,
  logprobs: -1,
}
