/** Any cut of a low-bit tensor, also within words and groups, gives the values and scales of its rows and columns. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Extent, extentsOf, type PackedPiece, type TensorSource } from '../../contract/engine.ts'
import type { TensorHeader } from '../safetensors.ts'
import { shardOf } from '../shard-files.ts'
import { temporaryFolder } from '../testing/folder.ts'
import { type Block, packedPieceOf } from './packed.ts'
import { type Quantisation, quantisationOf } from './quantisation.ts'
import { configOf } from '../architecture/config.ts'

/** Random bytes that are the same in every run. */
function bytesOf(count: number, seed: number): Buffer {
  let state = seed
  return Buffer.from(
    Uint8Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      return state >>> 24
    }),
  )
}

const sizes: Record<string, number> = { F8_E4M3: 1, U8: 1, I32: 4, F32: 4, F16: 2 }

/** A made-up file with these tensors, all but `g_idx` random. */
function fileOf(path: string, tensors: Record<string, [string, number[]]>, groups: number[] = []) {
  const headers = new Map<string, TensorHeader>()
  const data: Buffer[] = []
  let offset = 3 // nothing is aligned
  data.push(Buffer.alloc(3))
  for (const [name, [dtype, shape]] of Object.entries(tensors)) {
    const bytes = shape.reduce((product, n) => product * n, 1) * sizes[dtype]!
    const content = name === 'g_idx' ? Buffer.from(Int32Array.from(groups).buffer) : bytesOf(bytes, offset)
    headers.set(name, { name, dtype, shape, file: path, offset, bytes })
    data.push(content)
    offset += bytes
  }
  writeFileSync(path, Buffer.concat(data))
  return (suffix: string) => headers.get(suffix) ?? null
}

interface Cell {
  code: number
  scale: string
  zero: number | null
}

/** Every value of a piece with the bytes of its scale, by the contract's description alone. */
function cellsOf(piece: PackedPiece, cols: number): Cell[][] {
  const files = new Map<string, Buffer>()
  const table = (extents: Extent[]) =>
    extents.flatMap(({ file, offset, rows, rowBytes, stride }) => {
      if (!files.has(file)) files.set(file, readFileSync(file))
      const bytes = files.get(file)!
      return Array.from({ length: rows }, (_, i) => bytes.subarray(offset + i * stride, offset + i * stride + rowBytes))
    })
  const { encoding, skip, group } = piece
  const [values, scales, zeros] = [table(piece.values), table(piece.scales), table(piece.zeros)]
  const order = piece.columnGroups.length > 0 ? table(piece.columnGroups)[0]! : null
  const bits = encoding === 'f8_e4m3' || encoding === 'gptq8' ? 8 : 4
  const parts = 32 / bits
  const mask = 2 ** bits - 1
  const size = { f32: 4, f16: 2, bf16: 2, e8m0: 1 }[piece.scaleType]
  const awq = [0, 2, 4, 6, 1, 3, 5, 7]
  const part = (word: number, i: number) => (word >>> (bits * i)) & mask
  const codeAt = (r: number, c: number) => {
    switch (encoding) {
      case 'f8_e4m3':
        return values[r]![c]!
      case 'mxfp4': {
        const at = (skip.cols % 32) + c
        return (values[r]![at >> 1]! >> (4 * (at % 2))) & 15
      }
      case 'int4_rows': {
        const at = (skip.cols % 8) + c
        return part(values[r]!.readUInt32LE(4 * Math.floor(at / 8)), at % 8)
      }
      case 'gptq4':
      case 'gptq8': {
        const at = (skip.cols % parts) + c
        return part(values[Math.floor(at / parts)]!.readUInt32LE(4 * r), at % parts)
      }
      case 'awq4': {
        const at = (skip.rows % 8) + r
        return part(values[c]!.readUInt32LE(4 * Math.floor(at / 8)), awq.indexOf(at % 8))
      }
      default:
        throw new Error(`${encoding} has no tables`)
    }
  }
  const turned = ['gptq4', 'gptq8', 'awq4'].includes(encoding)
  return Array.from({ length: piece.rows }, (_, r) =>
    Array.from({ length: cols }, (_, c) => {
      const g = order ? order.readInt32LE(4 * c) : Math.floor((skip.cols + c) / group.cols)
      const row = turned ? scales[g]! : scales[Math.floor((skip.rows + r) / group.rows)]!
      const at = size * (turned ? r : g)
      const z = (skip.rows % parts) + r
      const zero =
        zeros.length === 0
          ? null
          : part(
              zeros[g]!.readUInt32LE(4 * Math.floor(z / parts)),
              encoding === 'awq4' ? awq.indexOf(z % 8) : z % parts,
            )
      return { code: codeAt(r, c), scale: row.subarray(at, at + size).toString('hex'), zero }
    }),
  )
}

const rows = 48
const cols = 96
const shuffled = Array.from({ length: cols }, (_, c) => (c * 37) % 3)

const settings = (config: object): Quantisation | null => quantisationOf(configOf({ quantization_config: config }))

interface Case {
  how: Quantisation | null
  tensors: Record<string, [string, number[]]>
}

const gptq = (bits: number, more: object = {}): Case => ({
  how: settings({ quant_method: 'gptq', bits, group_size: 32, ...more }),
  tensors: {
    qweight: ['I32', [(cols * bits) / 32, rows]],
    qzeros: ['I32', [3, (rows * bits) / 32]],
    scales: ['F16', [3, rows]],
    g_idx: ['I32', [cols]],
  },
})

const cases: Record<string, Case> = {
  'FP8, one scale': { how: null, tensors: { weight: ['F8_E4M3', [rows, cols]], weight_scale: ['F32', []] } },
  'FP8, a scale per row': {
    how: null,
    tensors: { weight: ['F8_E4M3', [rows, cols]], weight_scale: ['F16', [rows, 1]] },
  },
  'FP8 in blocks that leave a rest': {
    how: settings({ quant_method: 'fp8', weight_block_size: [20, 40] }),
    tensors: { weight: ['F8_E4M3', [rows, cols]], weight_scale_inv: ['F32', [3, 3]] },
  },
  'GPTQ, 4 bit': gptq(4),
  'GPTQ, 8 bit': gptq(8),
  'GPTQ, act-order': gptq(4, { desc_act: true }),
  AWQ: {
    how: settings({ quant_method: 'awq', bits: 4, group_size: 32 }),
    tensors: { qweight: ['I32', [cols, rows / 8]], qzeros: ['I32', [3, rows / 8]], scales: ['F16', [3, rows]] },
  },
  'compressed-tensors, 4 bit': {
    how: settings({
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      config_groups: { all: { weights: { num_bits: 4, type: 'int', strategy: 'group', group_size: 32 } } },
    }),
    tensors: { weight_packed: ['I32', [rows, cols / 8]], weight_scale: ['F16', [rows, 3]], weight_shape: ['I32', [2]] },
  },
  MXFP4: {
    how: settings({ quant_method: 'mxfp4' }),
    tensors: { _blocks: ['U8', [2, rows / 2, cols / 32, 16]], _scales: ['U8', [2, rows / 2, cols / 32]] },
  },
}

const range = (total: number) =>
  fc
    .tuple(fc.nat(total - 1), fc.nat(total - 1))
    .map(([a, b]) => ({ start: Math.min(a, b), count: Math.abs(a - b) + 1 }))

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

describe.each(Object.entries(cases))('%s', (name, { how, tensors }) => {
  const whole: Block = {
    name,
    shape: { rows, cols },
    rows: { start: 0, count: rows },
    cols: { start: 0, count: cols },
    step: 1,
  }

  test('any block is that part of the whole, as a slice and in a shard', async () => {
    using folder = temporaryFolder()
    const sibling = fileOf(join(folder.path, 'model'), tensors, shuffled)
    const pieceOf = (block: Block) => packedPieceOf(block, sibling, sibling, how)!
    const all = cellsOf(pieceOf(whole), cols)
    expect(new Set(all.flat().map(({ code }) => code)).size).toBeGreaterThan(12)
    await fc.assert(
      fc.asyncProperty(range(rows), range(cols), async (own, columns) => {
        const piece = pieceOf({ ...whole, rows: own, cols: columns })
        const expected = all
          .slice(own.start, own.start + own.count)
          .map((row) => row.slice(columns.start, columns.start + columns.count))
        expect(cellsOf(piece, columns.count)).toEqual(expected)
        const source: TensorSource = {
          role: 'ffn_down',
          layer: 0,
          expert: -1,
          dtype: 'f32',
          rows: own.count,
          cols: columns.count,
          extents: [],
          packed: [piece],
        }
        const shard = shardOf([source], 'f')
        const file = join(folder.path, 'shard')
        writeFileSync(file, await readAll(shard.read(0).chunks))
        const [there] = shard.at(file)
        expect(cellsOf(there!.packed![0]!, columns.count)).toEqual(expected)
        // Nothing more than the words and groups that the block touches.
        const bytes = extentsOf(source).reduce((sum, extent) => sum + extent.rows * extent.rowBytes, 0)
        expect(bytes).toBeLessThanOrEqual((own.count + 16) * (columns.count + 64) * 3 + 16 * cols)
      }),
      {
        numRuns: 40,
        examples: [
          [
            { start: 0, count: rows },
            { start: 0, count: cols },
          ],
          [
            { start: 7, count: 1 },
            { start: 33, count: 1 },
          ],
        ],
      },
    )
  })

  test('a table of another shape or kind is refused', () => {
    using folder = temporaryFolder()
    for (const [table, [dtype, shape]] of Object.entries(tensors)) {
      if (table === 'weight_shape' || (table === 'g_idx' && !how?.actOrder)) continue
      const wrong = { ...tensors, [table]: [dtype, [...shape, 2]] as [string, number[]] }
      const sibling = fileOf(join(folder.path, 'model'), wrong, [...shuffled, ...shuffled])
      expect(() => packedPieceOf(whole, sibling, sibling, how)).toThrow(/must be/)
    }
  })
})

test('rows of two interleaved segments are taken one by one', () => {
  using folder = temporaryFolder()
  const { how, tensors } = cases['MXFP4']!
  const sibling = fileOf(join(folder.path, 'model'), tensors)
  const of = (start: number, count: number, step: number) =>
    cellsOf(
      packedPieceOf(
        { name: 'x', shape: { rows, cols }, rows: { start, count }, cols: { start: 0, count: cols }, step },
        sibling,
        sibling,
        how,
      )!,
      cols,
    )
  const all = of(0, rows, 1)
  expect(of(25, 11, 2)).toEqual(Array.from({ length: 11 }, (_, i) => all[25 + 2 * i]))
})

test('quantised tensors without a word in config.json, and scales that are missing, are named', () => {
  using folder = temporaryFolder()
  const block: Block = {
    name: 'm.weight',
    shape: { rows, cols },
    rows: { start: 0, count: 1 },
    cols: { start: 0, count: 1 },
    step: 1,
  }
  const file = join(folder.path, 'model')
  const awq = fileOf(file, cases['AWQ']!.tensors)
  expect(() => packedPieceOf(block, awq, awq, null)).toThrow(/config\.json does not say how/)
  const bare = fileOf(file, { weight: ['F8_E4M3', [rows, cols]] })
  expect(() => packedPieceOf(block, bare, () => null, null)).toThrow(/no weight_scale beside m\.weight/)
})
