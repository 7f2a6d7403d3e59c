/**
 * A shard: a safetensors file that holds the tensors of one rank and nothing else, in the order of its load plan,
 * named by role (`layers.3.attn_qkv`). Pure: what the file will contain, not how it is read.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { type Extent, extentsOf, pieceTables, type TensorSource } from '../contract/engine.ts'
import { bytesOf } from './load-plan.ts'

/** Part of the key: changes when the same slices would be laid out otherwise. */
const layout = 'lanyard-shard-1'

/** The data of a shard starts on a border of this many bytes, so that a mapped file gives aligned rows. */
const alignment = 64

export interface ShardLayout {
  /** 32 hex digits: same model, same slices, same layout → same key */
  key: string
  /** of the whole file */
  bytes: number
  /** the file's first bytes: length and JSON */
  header: Uint8Array
  /** what follows the header, in order */
  data: Extent[]
  /** the tensors as they lie in the shard file at `path` */
  at(path: string): TensorSource[]
}

function nameOf(source: TensorSource): string {
  const layer = source.layer < 0 ? '' : `layers.${source.layer}.`
  const expert = source.expert < 0 ? '' : `experts.${source.expert}.`
  return `${layer}${expert}${source.role}`
}

/** First and last byte of a source that is one unbroken run in its file, or null. */
function runOf(source: TensorSource): { file: string; start: number; end: number } | null {
  const [extent] = source.extents
  if (!extent || source.extents.length > 1 || (extent.rows > 1 && extent.stride !== extent.rowBytes)) return null
  return { file: extent.file, start: extent.offset, end: extent.offset + extent.rows * extent.rowBytes }
}

const lengthOf = (extents: readonly Extent[]) => extents.reduce((sum, { rows, rowBytes }) => sum + rows * rowBytes, 0)
const sizeOf = (source: TensorSource) => lengthOf(extentsOf(source))

interface Placed {
  source: TensorSource
  /** first byte after the header */
  start: number
  /** its bytes are another tensor's (a tied lm_head within the embedding table): not written again */
  shared: boolean
}

function place(tensors: TensorSource[]): { placed: Placed[]; bytes: number } {
  const runs: { file: string; start: number; end: number; at: number }[] = []
  const placed: Placed[] = []
  let next = 0
  for (const source of tensors) {
    const run = runOf(source)
    const holder =
      run && runs.find((other) => other.file === run.file && other.start <= run.start && run.end <= other.end)
    if (run && holder) {
      placed.push({ source, start: holder.at + run.start - holder.start, shared: true })
      continue
    }
    placed.push({ source, start: next, shared: false })
    // Only the embedding table is ever shared, and comparing with every tensor would be quadratic.
    if (run && source.role === 'embed') runs.push({ ...run, at: next })
    next += sizeOf(source)
  }
  return { placed, bytes: next }
}

const dtypeNames = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const

/** The tables of a low-bit tensor as they follow one another from byte `start` on, each one row below the other. */
function tablesOf(source: TensorSource, start: number, path: string): TensorSource {
  let next = start
  const packed = source.packed!.map((piece) => {
    const moved = { ...piece }
    for (const table of pieceTables) {
      const [first] = piece[table]
      if (!first) continue
      const rows = piece[table].reduce((sum, extent) => sum + extent.rows, 0)
      moved[table] = [{ file: path, offset: next, rows, rowBytes: first.rowBytes, stride: first.rowBytes }]
      next += lengthOf(piece[table])
    }
    return moved
  })
  return { ...source, packed }
}

/** What the file's header says of a tensor: name, dtype, shape, first byte and length. */
function entriesOf({
  source,
  start,
}: Placed): { name: string; dtype: string; shape: number[]; start: number; bytes: number }[] {
  const name = nameOf(source)
  if (!source.packed) {
    const shape = source.stored ? [source.cols, source.rows] : [source.rows, source.cols]
    return [{ name, dtype: dtypeNames[source.dtype], shape, start, bytes: sizeOf(source) }]
  }
  return tablesOf(source, start, '').packed!.flatMap((piece, i) =>
    pieceTables.flatMap((table) =>
      piece[table].map(({ offset, rows, rowBytes }) => ({
        name: `${name}.${i}.${table}`,
        dtype: 'U8',
        shape: [rows, rowBytes],
        start: offset,
        bytes: rows * rowBytes,
      })),
    ),
  )
}

function headerOf(placed: Placed[], fingerprint: string): Uint8Array {
  const entries: [string, unknown][] = [['__metadata__', { format: layout, model: fingerprint }]]
  for (const { name, dtype, shape, start, bytes } of placed.filter(({ shared }) => !shared).flatMap(entriesOf)) {
    entries.push([name, { dtype, shape, data_offsets: [start, start + bytes] }])
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const padded = Math.ceil((8 + json.length) / alignment) * alignment - 8
  const header = new Uint8Array(8 + padded).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true)
  header.set(json, 8)
  return header
}

function keyOf(tensors: TensorSource[], fingerprint: string): string {
  const hash = createHash('sha256').update(`${layout}\n${fingerprint}\n`)
  for (const source of tensors) {
    const slices = extentsOf(source).map((e) => [basename(e.file), e.offset, e.rows, e.rowBytes, e.stride])
    const packed = source.packed?.map(({ encoding, rows, skip, group, scaleType, zeroOffset }) => [
      [encoding, scaleType, rows, zeroOffset],
      [skip.rows, skip.cols, group.rows, group.cols],
    ])
    const parts = packed ? [slices, packed] : [slices]
    hash.update(`${JSON.stringify([nameOf(source), source.dtype, source.rows, source.cols, ...parts])}\n`)
  }
  return hash.digest('hex').slice(0, 32)
}

/**
 * Lays out the shard of one rank.
 * @param tensors its load plan, over the model's own files
 * @param fingerprint of the model
 */
export function shardLayout(tensors: TensorSource[], fingerprint: string): ShardLayout {
  const { placed, bytes } = place(tensors)
  const header = headerOf(placed, fingerprint)
  return {
    key: keyOf(tensors, fingerprint),
    bytes: header.length + bytes,
    header,
    data: placed.filter(({ shared }) => !shared).flatMap(({ source }) => extentsOf(source)),
    at: (path) =>
      placed.map(({ source, start }) => {
        if (source.packed) return tablesOf(source, header.length + start, path)
        const rowBytes = source.cols === 1 ? sizeOf(source) : source.cols * bytesOf(source.dtype)
        const rows = source.cols === 1 ? 1 : source.rows
        return { ...source, extents: [{ file: path, offset: header.length + start, rows, rowBytes, stride: rowBytes }] }
      }),
  }
}
