/**
 * Where a checkpoint keeps the values of each role: rules that name tensors, their whole shape, and along
 * which axis ranks cut them. A load plan is these rules applied to one rank's split.
 */
import type { DecoderSpec, TensorRole, TensorSource } from '../../contract/engine.ts'

/** What the rows or columns of a matrix count. `width` is their number in the whole model. */
export interface Axis {
  cut: 'none' | 'query' | 'kv' | 'ffn' | 'vocab'
  width: number
}

/** A run of rows of one published tensor that goes into a role: all of it, or one segment of a fused one. */
export interface Piece {
  name: string
  /** shape of the published tensor; where there are more than two axes, all but the last count rows */
  shape: number[]
  /** first row of the segment */
  start: number
  rows: Axis
  /** rows from one of the segment to the next, where segments are interleaved; absent: 1 */
  step?: number
}

export interface TensorRule {
  role: TensorRole
  layer: number
  expert: number
  pieces: Piece[]
  /** a vector has one column */
  cols: Axis
  /** read by rank 0 only (biases that are added after the reduce) */
  firstRankOnly: boolean
  /** the file has the matrix the other way round: `pieces` run over its columns, and `cols` counts its rows */
  stored?: TensorSource['stored']
}

export const none = (width: number): Axis => ({ cut: 'none', width })
export const query = (d: DecoderSpec): Axis => ({ cut: 'query', width: d.queryHeads * d.headDim })
export const kv = (d: DecoderSpec): Axis => ({ cut: 'kv', width: d.kvHeads * d.headDim })
export const ffn = (width: number): Axis => ({ cut: 'ffn', width })
export const vocab = (d: DecoderSpec): Axis => ({ cut: 'vocab', width: d.vocab })

interface Place {
  role: TensorRole
  layer?: number
  expert?: number
  firstRankOnly?: boolean
}

/** A vector made of whole tensors or segments of them, one below the other. */
export function vector(place: Place, parts: { name: string; axis: Axis }[]): TensorRule {
  return rule(
    place,
    none(1),
    parts.map(({ name, axis }) => ({ name, shape: [axis.width], start: 0, rows: axis })),
  )
}

/** A matrix made of whole tensors, one below the other. */
export function matrix(place: Place, cols: Axis, parts: { name: string; axis: Axis }[]): TensorRule {
  return rule(
    place,
    cols,
    parts.map(({ name, axis }) => ({ name, shape: [axis.width, cols.width], start: 0, rows: axis })),
  )
}

/** One published tensor whose rows are several segments, each cut on its own. `cols` absent: a vector. */
export function fused(place: Place, cols: Axis | null, name: string, segments: Axis[]): TensorRule {
  const rows = segments.reduce((sum, axis) => sum + axis.width, 0)
  let start = 0
  const pieces = segments.map((axis) => {
    const piece: Piece = { name, shape: cols ? [rows, cols.width] : [rows], start, rows: axis }
    start += axis.width
    return piece
  })
  return rule(place, cols ?? none(1), pieces)
}

/** Rows `index` · n … of a tensor that stacks several ones of n rows: [count, …]. */
interface Stack {
  name: string
  count: number
  index: number
}

/** A matrix out of a stack [count, n, inputs]: all n rows, or the even and the odd ones one after the other (`paired`). */
export function stackedRows(
  place: Place,
  { name, count, index }: Stack,
  cols: Axis,
  rows: Axis,
  paired = false,
): TensorRule {
  const parts = paired ? 2 : 1
  const shape = [count, rows.width * parts, cols.width]
  const start = index * rows.width * parts
  return rule(
    place,
    cols,
    Array.from({ length: parts }, (_, part) => ({ name, shape, start: start + part, step: parts, rows })),
  )
}

/** A vector out of a stack [count, n]: all of it, or its even and its odd values one after the other (`paired`). */
export function stackedVector(place: Place, { name, count, index }: Stack, axis: Axis, paired = false): TensorRule {
  const parts = paired ? 2 : 1
  const shape = [count, axis.width * parts]
  const start = index * axis.width * parts
  return rule(
    place,
    none(1),
    Array.from({ length: parts }, (_, part) => ({ name, shape, start: start + part, step: parts, rows: axis })),
  )
}

/**
 * A matrix out of a stack [count, inputs, outputs], each the transpose of what a role is. `paired`: outputs alternate
 * between gate and up, and `outputs` counts both.
 */
export function stackedColumns(
  place: Place,
  { name, count, index }: Stack,
  inputs: Axis,
  outputs: Axis,
  paired = false,
): TensorRule {
  const piece = { name, shape: [count, inputs.width, outputs.width], start: index * inputs.width, rows: inputs }
  return { ...rule(place, outputs, [piece]), stored: paired ? 'paired_columns' : 'columns' }
}

function rule(place: Place, cols: Axis, pieces: Piece[]): TensorRule {
  return {
    role: place.role,
    layer: place.layer ?? -1,
    expert: place.expert ?? -1,
    pieces,
    cols,
    firstRankOnly: place.firstRankOnly ?? false,
  }
}

/** Names of the tensors outside and inside the layers, as Llama and most others have them. */
export const huggingFaceNames = {
  embed: 'model.embed_tokens.weight',
  finalNorm: 'model.norm.weight',
  lmHead: 'lm_head.weight',
  layer: (n: number) => `model.layers.${n}.`,
}

/** Embedding table, final norm and lm_head; a tied lm_head is the vocabulary rows of the table. */
export function modelRules(d: DecoderSpec, tied: boolean, names = huggingFaceNames): TensorRule[] {
  return [
    matrix({ role: 'embed' }, none(d.hidden), [{ name: names.embed, axis: none(d.vocab) }]),
    vector({ role: 'final_norm' }, [{ name: names.finalNorm, axis: none(d.hidden) }]),
    matrix({ role: 'lm_head' }, none(d.hidden), [{ name: tied ? names.embed : names.lmHead, axis: vocab(d) }]),
  ]
}

export interface AttentionLayout {
  qkvBias?: boolean
  outputBias?: boolean
  /** one `qkv_proj` instead of q_proj, k_proj, v_proj */
  fused?: boolean
  /** a learned logit per query head that takes its share of the softmax */
  sinks?: boolean
}

/** `self_attn.*` of one layer, without the norms around it. */
export function attentionRules(d: DecoderSpec, layer: number, options: AttentionLayout): TensorRule[] {
  const at = `${huggingFaceNames.layer(layer)}self_attn.`
  const parts = (suffix: string) => [
    { name: `${at}q_proj.${suffix}`, axis: query(d) },
    { name: `${at}k_proj.${suffix}`, axis: kv(d) },
    { name: `${at}v_proj.${suffix}`, axis: kv(d) },
  ]
  const rules = [
    options.fused
      ? fused({ role: 'attn_qkv', layer }, none(d.hidden), `${at}qkv_proj.weight`, [query(d), kv(d), kv(d)])
      : matrix({ role: 'attn_qkv', layer }, none(d.hidden), parts('weight')),
    matrix({ role: 'attn_o', layer }, query(d), [{ name: `${at}o_proj.weight`, axis: none(d.hidden) }]),
  ]
  if (options.qkvBias) rules.push(vector({ role: 'attn_qkv_bias', layer }, parts('bias')))
  if (options.outputBias) {
    rules.push(
      vector({ role: 'attn_o_bias', layer, firstRankOnly: true }, [{ name: `${at}o_proj.bias`, axis: none(d.hidden) }]),
    )
  }
  if (options.sinks) {
    rules.push(
      vector({ role: 'attn_sinks', layer }, [{ name: `${at}sinks`, axis: { cut: 'query', width: d.queryHeads } }]),
    )
  }
  if (d.qkNorm) {
    rules.push(vector({ role: 'attn_q_norm', layer }, [{ name: `${at}q_norm.weight`, axis: none(d.headDim) }]))
    rules.push(vector({ role: 'attn_k_norm', layer }, [{ name: `${at}k_norm.weight`, axis: none(d.headDim) }]))
  }
  return rules
}

/** `gate_proj`, `up_proj` and `down_proj` behind `at`, `width` columns wide. */
export function gatedRules(
  d: DecoderSpec,
  kind: 'ffn' | 'shared',
  layer: number,
  at: string,
  width: number,
): TensorRule[] {
  return [
    matrix({ role: `${kind}_gate_up`, layer }, none(d.hidden), [
      { name: `${at}gate_proj.weight`, axis: ffn(width) },
      { name: `${at}up_proj.weight`, axis: ffn(width) },
    ]),
    matrix({ role: `${kind}_down`, layer }, ffn(width), [{ name: `${at}down_proj.weight`, axis: none(d.hidden) }]),
  ]
}

/** `mlp.gate_proj`, `up_proj`, `down_proj` of a dense layer; `width` where it is not `d.ffn`. */
export function denseRules(d: DecoderSpec, layer: number, width = d.ffn): TensorRule[] {
  return gatedRules(d, 'ffn', layer, `${huggingFaceNames.layer(layer)}mlp.`, width)
}

/** Router and experts; `names` are those of gate, up and down within one expert. */
export function expertRules(
  d: DecoderSpec,
  layer: number,
  block: string,
  names: [string, string, string],
): TensorRule[] {
  const at = `${huggingFaceNames.layer(layer)}${block}.`
  const rules = [
    matrix({ role: 'router', layer }, none(d.hidden), [{ name: `${at}gate.weight`, axis: none(d.experts) }]),
  ]
  for (let expert = 0; expert < d.experts; expert++) {
    const one = `${at}experts.${expert}.`
    rules.push(
      matrix({ role: 'expert_gate_up', layer, expert }, none(d.hidden), [
        { name: `${one}${names[0]}.weight`, axis: ffn(d.ffn) },
        { name: `${one}${names[1]}.weight`, axis: ffn(d.ffn) },
      ]),
      matrix({ role: 'expert_down', layer, expert }, ffn(d.ffn), [
        { name: `${one}${names[2]}.weight`, axis: none(d.hidden) },
      ]),
    )
  }
  return rules
}

/** A vector [hidden] of a layer: the norms. */
export function normRule(d: DecoderSpec, role: TensorRole, layer: number, name: string): TensorRule {
  return vector({ role, layer }, [{ name: `${huggingFaceNames.layer(layer)}${name}.weight`, axis: none(d.hidden) }])
}

/** The two norms of a pre-norm layer. */
export function preNormRules(d: DecoderSpec, layer: number): TensorRule[] {
  return [
    normRule(d, 'attn_norm', layer, 'input_layernorm'),
    normRule(d, 'ffn_norm', layer, 'post_attention_layernorm'),
  ]
}

/** Calls `rules` for each layer and puts the results in order. */
export function everyLayer(d: DecoderSpec, rules: (layer: number) => TensorRule[]): TensorRule[] {
  return Array.from({ length: d.layers }, (_, layer) => rules(layer)).flat()
}
