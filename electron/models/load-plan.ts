/**
 * The load plan: which bytes of which files one rank needs, and as what. Pure.
 *
 * Rows of a matrix are cut by taking a run of rows; columns (row-parallel matrices) by taking a strided block.
 * A fused role is several extents, one below the other. A vector has one column and as many rows as values.
 * Matrices of quantised checkpoints are several tables each (see `quantisation/packed.ts`), cut so that every rank gets
 * the low-bit values and scales of its block.
 * Tensors of which a rank gets nothing (a rank without heads has no attn_qkv) are left out.
 */
import {
  type DecoderSpec,
  type DType,
  type Extent,
  extentsOf,
  type PackedPiece,
  type RankSplit,
  type TensorSource,
} from '../contract/engine.ts'
import { LanyardError } from '../contract/errors.ts'
import type { ModelFacts } from './architecture/architecture.ts'
import type { Axis, Piece, TensorRule } from './architecture/layout.ts'
import { packedPieceOf, rowRuns } from './quantisation/packed.ts'
import type { TensorHeader, TensorHeaders } from './safetensors.ts'

const dtypes: Record<string, DType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' }
const valueBytes: Record<DType, number> = { f32: 4, f16: 2, bf16: 2 }

/** Bytes of one stored value. */
export function bytesOf(dtype: DType): number {
  return valueBytes[dtype]
}

/** The part [start, start + count) of an axis that belongs to a rank. */
export function cutOf(axis: Axis, d: DecoderSpec, split: RankSplit): { start: number; count: number } {
  const scaled = (range: { start: number; count: number }, unit: number) => ({
    start: range.start * unit,
    count: range.count * unit,
  })
  switch (axis.cut) {
    case 'none':
      return { start: 0, count: axis.width }
    case 'query':
      return scaled(split.queryHeads, axis.width / d.queryHeads)
    case 'kv':
      return scaled(split.kvHeads, axis.width / d.kvHeads)
    case 'vocab':
      return split.vocab
    case 'ffn': {
      // A wider layer (shared expert, dense layer of a MoE model) is cut in the same proportion; rounding both
      // borders of a range the same way keeps neighbouring ranks' ranges adjacent.
      const border = (at: number) => Math.round((at * axis.width) / d.ffn)
      const start = border(split.ffn.start)
      return { start, count: border(split.ffn.start + split.ffn.count) - start }
    }
  }
}

/** Checkpoints that wrap the text model prefix its names. */
const prefixes: ((name: string) => string)[] = [
  (name) => name,
  (name) => `language_model.${name}`,
  (name) => (name.startsWith('model.') ? `model.language_model.${name.slice('model.'.length)}` : name),
]

function lookUp(headers: TensorHeaders, name: string): TensorHeader | null {
  for (const prefixed of prefixes) {
    const header = headers.get(prefixed(name))
    if (header) return header
  }
  return null
}

function find(headers: TensorHeaders, piece: Piece): TensorHeader {
  const header = lookUp(headers, piece.name)
  if (!header) {
    throw new LanyardError(
      'model_tensor_missing',
      `The weights have no tensor ${piece.name}, which this architecture needs.`,
      'The checkpoint is incomplete or of another version: download or copy it again.',
    )
  }
  if (header.shape.length !== piece.shape.length || header.shape.some((n, i) => n !== piece.shape[i])) {
    throw new LanyardError(
      'model_config_mismatch',
      `${header.name} is [${header.shape.join(', ')}] in the file, but config.json makes it [${piece.shape.join(', ')}].`,
      'config.json and the weights are not from the same checkpoint: download or copy both again.',
    )
  }
  return header
}

function dtypeOf(header: TensorHeader): DType {
  const dtype = dtypes[header.dtype]
  if (!dtype) {
    throw new LanyardError(
      'model_unsupported',
      `${header.name} is stored as ${header.dtype}; tensors of this kind can be read as F32, F16 and BF16 only.`,
      'Use another checkpoint of this model.',
    )
  }
  return dtype
}

interface Range {
  start: number
  count: number
}

function extentsIn(header: TensorHeader, piece: Piece, rows: Range, cols: Range, whole: number): Extent[] {
  const size = bytesOf(dtypeOf(header))
  const step = piece.step ?? 1
  const runs = rowRuns(header, { start: piece.start + rows.start * step, count: rows.count })
  return runs.map((run) => {
    const stride = run.step * step
    const offset = header.offset + (run.start * whole + cols.start) * size
    // A run of whole one-value rows is one row: nothing is gained by describing it value by value.
    if (whole === 1 && stride === 1)
      return { file: header.file, offset, rows: 1, rowBytes: run.count * size, stride: run.count * size }
    return { file: header.file, offset, rows: run.count, rowBytes: cols.count * size, stride: stride * whole * size }
  })
}

/** The low-bit tables of a piece, or null when it is an ordinary tensor. */
function packedOf(
  facts: ModelFacts,
  headers: TensorHeaders,
  piece: Piece,
  rows: Range,
  cols: Range,
): PackedPiece | null {
  if (piece.shape.length < 2) return null
  const step = piece.step ?? 1
  const module = piece.name.replace(/\.weight$/, '')
  const block = {
    name: piece.name,
    shape: { rows: piece.shape.slice(0, -1).reduce((product, n) => product * n, 1), cols: piece.shape.at(-1)! },
    rows: { start: piece.start + rows.start * step, count: rows.count },
    cols,
    step,
  }
  return packedPieceOf(
    block,
    (suffix) => lookUp(headers, `${module}.${suffix}`),
    (suffix) => lookUp(headers, `${piece.name}${suffix}`),
    facts.quantisation,
  )
}

function mixed(piece: Piece, stored: string, other: string): LanyardError {
  return new LanyardError(
    'model_unsupported',
    `${piece.name} is stored as ${stored}, the tensors it is joined with as ${other}.`,
    'Use a checkpoint with one dtype.',
  )
}

function sourceOf(rule: TensorRule, facts: ModelFacts, headers: TensorHeaders, split: RankSplit): TensorSource | null {
  const cols = cutOf(rule.cols, facts.decoder, split)
  const extents: Extent[] = []
  const packed: PackedPiece[] = []
  let rows = 0
  let kind: DType | 'low-bit' | null = null
  for (const piece of rule.pieces) {
    const cut = cutOf(piece.rows, facts.decoder, split)
    const tables = packedOf(facts, headers, piece, cut, cols)
    const header = tables ? null : find(headers, piece)
    const stored = header ? dtypeOf(header) : 'low-bit'
    if (kind !== null && kind !== stored) throw mixed(piece, stored, kind)
    kind = stored
    if (cut.count === 0 || cols.count === 0) continue
    rows += cut.count
    if (tables) packed.push(tables)
    else if (header) extents.push(...extentsIn(header, piece, cut, cols, rule.cols.width))
  }
  if (kind === null || rows === 0) return null
  const place = { role: rule.role, layer: rule.layer, expert: rule.expert, rows, cols: cols.count }
  return kind === 'low-bit' ? { ...place, dtype: 'f32', extents, packed } : { ...place, dtype: kind, extents }
}

/**
 * The tensors of rank `rank`, in the order of the model. Reads nothing; `headers` say where things are.
 * Throws `model_tensor_missing`, `model_config_mismatch` (both shapes named), `model_unsupported` (a dtype).
 */
export function loadPlan(facts: ModelFacts, headers: TensorHeaders, split: RankSplit, rank: number): TensorSource[] {
  return facts.rules
    .filter((rule) => !rule.firstRankOnly || rank === 0)
    .map((rule) => sourceOf(rule, facts, headers, split))
    .filter((source) => source !== null)
}

/** The split of a single rank: everything. */
export function wholeSplit(d: DecoderSpec): RankSplit {
  return {
    queryHeads: { start: 0, count: d.queryHeads },
    kvHeads: { start: 0, count: d.kvHeads },
    ffn: { start: 0, count: d.ffn },
    vocab: { start: 0, count: d.vocab },
  }
}

/** Checks every tensor of the model against config.json. Errors as `loadPlan`. */
export function checkTensors(facts: ModelFacts, headers: TensorHeaders): void {
  loadPlan(facts, headers, wholeSplit(facts.decoder), 0)
}

/** Bytes that a load plan reads. */
export function planBytes(sources: TensorSource[]): number {
  return sources.flatMap(extentsOf).reduce((sum, extent) => sum + extent.rows * extent.rowBytes, 0)
}
