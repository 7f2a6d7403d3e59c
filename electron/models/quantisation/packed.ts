/**
 * A block of rows and columns of a low-bit tensor → the slices of its tables. Tables are cut outward to whole words
 * and groups, so that any block can be had exactly; `skip` says where in them it begins.
 */
import type { Encoding, Extent, PackedPiece, ScaleType } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { TensorHeader } from '../safetensors.ts'
import type { Quantisation } from './quantisation.ts'

export interface Range {
  start: number
  count: number
}

/** The wanted part of a logical tensor [shape.rows, shape.cols]; rows `step` apart. */
export interface Block {
  /** of the published tensor, for messages */
  name: string
  shape: { rows: number; cols: number }
  rows: Range
  cols: Range
  step: number
}

/** A header by its suffix, or null: `.qweight`, `.weight_scale`, … */
export type Sibling = (suffix: string) => TensorHeader | null

const word = 4

function mismatch(header: TensorHeader, expected: readonly number[]): never {
  throw new LanyardError(
    'model_config_mismatch',
    `${header.name} is [${header.shape.join(', ')}] in the file, but must be [${expected.join(', ')}].`,
    'config.json and the weights are not from the same checkpoint: download or copy both again.',
  )
}

/** Interleaved rows share words or blocks with rows that are not wanted. */
function refuseStep(block: Block): never {
  throw new LanyardError(
    'model_unsupported',
    `${block.name} has interleaved rows, which can be read as MXFP4 and unquantised only.`,
    'Use another checkpoint of this model.',
  )
}

function need(sibling: Sibling, suffix: string, name: string): TensorHeader {
  const header = sibling(suffix)
  if (header) return header
  throw new LanyardError(
    'model_tensor_missing',
    `The weights have no ${suffix} beside ${name}, without which its values cannot be read.`,
    'The checkpoint is incomplete: download or copy it again.',
  )
}

function demand(header: TensorHeader, dtype: readonly string[], expected: readonly number[]): TensorHeader {
  if (!dtype.includes(header.dtype)) {
    throw new LanyardError(
      'model_unsupported',
      `${header.name} is stored as ${header.dtype}, but must be ${dtype.join(' or ')}.`,
      'Use another checkpoint of this model.',
    )
  }
  if (header.shape.length !== expected.length || header.shape.some((n, i) => n !== expected[i]))
    mismatch(header, expected)
  return header
}

/** Rows × columns of a row-major table whose rows have `width` elements of `size` bytes. */
function cut(header: TensorHeader, width: number, size: number, rows: Range, cols: Range, step = 1): Extent[] {
  if (rows.count === 0 || cols.count === 0) return []
  const offset = header.offset + (rows.start * width + cols.start) * size
  return [{ file: header.file, offset, rows: rows.count, rowBytes: cols.count * size, stride: step * width * size }]
}

/** The units of `size` that a range touches. */
function units(range: Range, size: number): Range {
  const start = Math.floor(range.start / size)
  return { start, count: Math.ceil((range.start + range.count) / size) - start }
}

const scaleTypes: Record<string, ScaleType> = { F32: 'f32', F16: 'f16', BF16: 'bf16', F8_E8M0: 'e8m0', U8: 'e8m0' }
const scaleBytes: Record<ScaleType, number> = { f32: 4, f16: 2, bf16: 2, e8m0: 1 }
const floats = ['F32', 'F16', 'BF16']

const scaleTypeOf = (header: TensorHeader): ScaleType => scaleTypes[header.dtype]!

function piece(encoding: Encoding, block: Block, parts: Partial<PackedPiece>): PackedPiece {
  return {
    encoding,
    rows: block.rows.count,
    skip: { rows: 0, cols: 0 },
    group: { rows: 1, cols: block.shape.cols },
    values: [],
    scaleType: 'f32',
    scales: [],
    zeros: [],
    zeroOffset: 0,
    columnGroups: [],
    ...parts,
  }
}

/** `weight` F8_E4M3 [rows, cols] beside `weight_scale` or `weight_scale_inv`: one, one per row, or one per block. */
function fp8(block: Block, weight: TensorHeader, sibling: Sibling, block8: Quantisation['block']): PackedPiece {
  const { rows, cols } = block.shape
  demand(weight, ['F8_E4M3'], [rows, cols])
  if (block.step !== 1) refuseStep(block)
  const values = cut(weight, cols, 1, block.rows, block.cols)
  const scale = sibling('weight_scale_inv') ?? need(sibling, 'weight_scale', block.name)
  const elements = scale.shape.reduce((product, n) => product * n, 1)
  const group = elements === 1 ? { rows, cols } : (block8 ?? { rows: 1, cols })
  const grid = [Math.ceil(rows / group.rows), Math.ceil(cols / group.cols)] as const
  const expected = elements === 1 || (scale.shape.length === 1 && grid[1] === 1) ? scale.shape : grid
  demand(scale, floats, expected)
  if (elements !== grid[0] * grid[1]) mismatch(scale, grid)
  const size = scaleBytes[scaleTypeOf(scale)]
  return piece('f8_e4m3', block, {
    skip: { rows: block.rows.start % group.rows, cols: block.cols.start % group.cols },
    group,
    values,
    scaleType: scaleTypeOf(scale),
    scales: cut(scale, grid[1], size, units(block.rows, group.rows), units(block.cols, group.cols)),
  })
}

/** `qweight` [cols / n, rows], `qzeros` [groups, rows / n], `scales` [groups, rows], `g_idx` [cols]. */
function gptq(block: Block, sibling: Sibling, how: Quantisation): PackedPiece {
  const { rows, cols } = block.shape
  const parts = 32 / how.bits
  const group = how.group || cols
  const groups = Math.ceil(cols / group)
  const packed = need(sibling, 'qweight', block.name)
  demand(packed, ['I32', 'U32'], [Math.ceil(cols / parts), rows])
  const zeros = demand(need(sibling, 'qzeros', block.name), ['I32', 'U32'], [groups, Math.ceil(rows / parts)])
  const scales = demand(need(sibling, 'scales', block.name), floats, [groups, rows])
  const order = how.actOrder ? demand(need(sibling, 'g_idx', block.name), ['I32'], [cols]) : null
  const own = order ? { start: 0, count: groups } : units(block.cols, group)
  return piece(how.bits === 4 ? 'gptq4' : 'gptq8', block, {
    skip: { rows: block.rows.start % parts, cols: block.cols.start % (order ? parts : group) },
    group: { rows: 1, cols: group },
    values: cut(packed, rows, word, units(block.cols, parts), block.rows),
    scaleType: scaleTypeOf(scales),
    scales: cut(scales, rows, scaleBytes[scaleTypeOf(scales)], own, block.rows),
    zeros: cut(zeros, Math.ceil(rows / parts), word, own, units(block.rows, parts)),
    zeroOffset: how.zeroOffset,
    columnGroups: order ? cut(order, cols, word, { start: 0, count: 1 }, block.cols) : [],
  })
}

/** `qweight` [cols, rows / 8], `qzeros` [groups, rows / 8], `scales` [groups, rows]. */
function awq(block: Block, sibling: Sibling, how: Quantisation): PackedPiece {
  const { rows, cols } = block.shape
  const group = how.group || cols
  const groups = Math.ceil(cols / group)
  const packed = demand(need(sibling, 'qweight', block.name), ['I32', 'U32'], [cols, rows / 8])
  const zeros = sibling('qzeros')
  if (zeros) demand(zeros, ['I32', 'U32'], [groups, rows / 8])
  const scales = demand(need(sibling, 'scales', block.name), floats, [groups, rows])
  const words = units(block.rows, 8)
  return piece('awq4', block, {
    skip: { rows: block.rows.start % 8, cols: block.cols.start % group },
    group: { rows: 1, cols: group },
    values: cut(packed, rows / 8, word, block.cols, words),
    scaleType: scaleTypeOf(scales),
    scales: cut(scales, rows, scaleBytes[scaleTypeOf(scales)], units(block.cols, group), block.rows),
    zeros: zeros ? cut(zeros, rows / 8, word, units(block.cols, group), words) : [],
  })
}

/** `weight_packed` [rows, cols / 8], `weight_scale` [rows, groups]. */
function int4(block: Block, sibling: Sibling, how: Quantisation): PackedPiece {
  const { rows, cols } = block.shape
  const group = how.group || cols
  const groups = Math.ceil(cols / group)
  const packed = demand(need(sibling, 'weight_packed', block.name), ['I32', 'U32'], [rows, Math.ceil(cols / 8)])
  const scales = demand(need(sibling, 'weight_scale', block.name), floats, [rows, groups])
  return piece('int4_rows', block, {
    skip: { rows: 0, cols: block.cols.start % group },
    group: { rows: 1, cols: group },
    values: cut(packed, Math.ceil(cols / 8), word, block.rows, units(block.cols, 8)),
    scaleType: scaleTypeOf(scales),
    scales: cut(scales, groups, scaleBytes[scaleTypeOf(scales)], block.rows, units(block.cols, group)),
  })
}

/** `…_blocks` [(experts,) rows, cols / 32, 16], `…_scales` [(experts,) rows, cols / 32]: bytes. */
function mxfp4(block: Block, blocks: TensorHeader, scales: TensorHeader): PackedPiece {
  const { rows, cols } = block.shape
  const width = Math.ceil(cols / 32)
  const elements = (header: TensorHeader) => header.shape.reduce((product, n) => product * n, 1)
  if (blocks.dtype !== 'U8' || elements(blocks) !== rows * width * 16) mismatch(blocks, [rows, width, 16])
  if (!['U8', 'F8_E8M0'].includes(scales.dtype) || elements(scales) !== rows * width) mismatch(scales, [rows, width])
  const own = units(block.cols, 32)
  return piece('mxfp4', block, {
    skip: { rows: 0, cols: block.cols.start % 32 },
    group: { rows: 1, cols: 32 },
    values: cut(blocks, width, 16, block.rows, own, block.step),
    scaleType: 'e8m0',
    scales: cut(scales, width, 1, block.rows, own, block.step),
  })
}

/** Types of llama.cpp whose blocks hold their scales: columns and bytes of a block, columns of a scale. */
const blockTypes: Record<string, { encoding: Encoding; columns: number; bytes: number; group: number }> = {
  Q8_0: { encoding: 'q8_0', columns: 32, bytes: 34, group: 32 },
  Q4_0: { encoding: 'q4_0', columns: 32, bytes: 18, group: 32 },
  Q4_K: { encoding: 'q4_k', columns: 256, bytes: 144, group: 32 },
  Q5_K: { encoding: 'q5_k', columns: 256, bytes: 176, group: 32 },
  Q6_K: { encoding: 'q6_k', columns: 256, bytes: 210, group: 16 },
}

/**
 * Bytes of one value in the memory of a rank that keeps such weights as stored: 4 or 8 bits, an f16 scale per group and,
 * for the K types, a bias. Null: not a low-bit type of llama.cpp.
 */
export function heldBlockBytes(dtype: string): number | null {
  const type = blockTypes[dtype]
  return type ? (type.bytes / type.columns < 0.6 ? 0.5 : 1) + (type.columns === 256 ? 4 : 2) / type.group : null
}

/** `weight` [rows][cols / columns] blocks. */
function blockRows(block: Block, weight: TensorHeader): PackedPiece {
  const { encoding, columns, bytes, group } = blockTypes[weight.dtype]!
  const { rows, cols } = block.shape
  if (weight.shape.length !== 2 || weight.shape[0] !== rows || weight.shape[1] !== cols) mismatch(weight, [rows, cols])
  if (block.step !== 1) refuseStep(block)
  const own = units(block.cols, columns)
  return piece(encoding, block, {
    skip: { rows: 0, cols: block.cols.start % columns },
    group: { rows: 1, cols: group },
    values: rowRuns(weight, block.rows).flatMap(({ start, count, step }) =>
      cut(weight, cols / columns, bytes, { start, count }, own, step),
    ),
  })
}

/**
 * A run of rows in the order in which we count them, as runs of stored rows: one, or two per head where the halves of a
 * head are interleaved.
 */
export function rowRuns(header: TensorHeader, rows: Range): { start: number; count: number; step: number }[] {
  if (!header.interleavedHeads) return [{ ...rows, step: 1 }]
  const half = header.shape[0]! / header.interleavedHeads / 2
  const runs: { start: number; count: number; step: number }[] = []
  for (let row = rows.start; row < rows.start + rows.count;) {
    const run = Math.floor(row / half)
    const count = Math.min((run + 1) * half, rows.start + rows.count) - row
    const within = row - run * half
    runs.push({ start: Math.floor(run / 2) * 2 * half + 2 * within + (run % 2), count, step: 2 })
    row += count
  }
  return runs
}

/**
 * The tables of a block of a low-bit tensor, or null when the tensor is an ordinary one. `sibling` finds tensors by
 * what follows the module's name: `weight`, `qweight`, …; `whole` by what follows the tensor's own name: `_blocks`, ….
 */
export function packedPieceOf(
  block: Block,
  sibling: Sibling,
  whole: Sibling,
  how: Quantisation | null,
): PackedPiece | null {
  const blocks = whole('_blocks')
  if (blocks) return mxfp4(block, blocks, need(whole, '_scales', block.name))
  const weight = sibling('weight')
  if (weight && blockTypes[weight.dtype]) return blockRows(block, weight)
  if (weight) return weight.dtype === 'F8_E4M3' ? fp8(block, weight, sibling, how?.block ?? null) : null
  const found = sibling('qweight') ? ['gptq', 'awq'] : sibling('weight_packed') ? ['int4'] : []
  if (found.length === 0) return null
  if (!how || !found.includes(how.kind)) {
    throw new LanyardError(
      'model_config_mismatch',
      `${block.name} is quantised in the file, but config.json does not say how.`,
      'config.json must hold the quantization_config of this checkpoint: download or copy it again.',
    )
  }
  if (block.step !== 1) refuseStep(block)
  return how.kind === 'gptq'
    ? gptq(block, sibling, how)
    : how.kind === 'awq'
      ? awq(block, sibling, how)
      : int4(block, sibling, how)
}
