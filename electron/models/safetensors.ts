/**
 * Safetensors headers: 8 bytes little-endian length, that many bytes of JSON {name: {dtype, shape, data_offsets}},
 * then the data, to which the offsets are relative. Pure: bytes in, headers out.
 */
import { LanyardError } from '../contract/errors.ts'
import { isObject, type JsonObject } from './architecture/config.ts'

/** One tensor as its file declares it. */
export interface TensorHeader {
  name: string
  /** safetensors' own word: BF16, F16, F32, I32, F8_E4M3, …; ggml's in GGUF: Q8_0, Q4_K, … */
  dtype: string
  shape: number[]
  file: string
  /** first byte in the file */
  offset: number
  bytes: number
  /** rows of a head lie in the order 0, d/2, 1, d/2 + 1, … (llama.cpp's q and k of Llama); this many heads */
  interleavedHeads?: number
}

export type TensorHeaders = Map<string, TensorHeader>

/** No published header comes near this; a larger length is not a safetensors file. */
export const maxHeaderBytes = 100 * 1024 * 1024

const bytesPer: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
}

function corrupt(file: string, what: string): LanyardError {
  return new LanyardError(
    'model_unreadable',
    `${file} is not a readable safetensors file: ${what}.`,
    'Download or copy the file again.',
  )
}

function truncated(file: string, missing: number, size: number): LanyardError {
  return new LanyardError(
    'model_truncated',
    `${file} is cut short: ${missing} of ${size + missing} bytes are missing.`,
    'Download or copy the file again.',
  )
}

/** Bytes of JSON that follow the first eight bytes of a file of `size` bytes. */
export function headerLength(first: Uint8Array, size: number, file: string): number {
  if (first.length < 8) throw truncated(file, 8 - first.length, first.length)
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes)) throw corrupt(file, `its header would be ${length} bytes long`)
  const bytes = Number(length)
  if (bytes < 2) throw corrupt(file, `its header would be ${bytes} bytes long`)
  if (8 + bytes > size) throw truncated(file, 8 + bytes - size, size)
  return bytes
}

function tensor(name: string, entry: JsonObject, dataStart: number, file: string): TensorHeader {
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string') throw corrupt(file, `${name} has no dtype`)
  const whole = (value: unknown): value is number =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  if (!Array.isArray(shape) || !shape.every(whole)) throw corrupt(file, `${name} has no valid shape`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole))
    throw corrupt(file, `${name} has no valid offsets`)
  const [start, end] = offsets as [number, number]
  if (end < start) throw corrupt(file, `${name} ends before it starts`)
  const bytes = end - start
  const size = bytesPer[dtype]
  const elements = shape.reduce((product, n) => product * n, 1)
  if (size !== undefined && elements * size !== bytes) {
    throw corrupt(
      file,
      `${name} is ${dtype} [${shape.join(', ')}], which is ${elements * size} bytes, but takes ${bytes}`,
    )
  }
  return { name, dtype, shape, file, offset: dataStart + start, bytes }
}

/**
 * The tensors of one file. `json` is the header's bytes, `size` the file's size, `file` its path.
 * Throws `model_truncated` (data ends before the last tensor) and `model_unreadable`.
 */
export function parseHeader(json: Uint8Array, size: number, file: string): TensorHeader[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
  } catch (cause) {
    throw new LanyardError(
      'model_unreadable',
      `${file} is not a readable safetensors file: its header is not JSON.`,
      'Download or copy the file again.',
      { cause },
    )
  }
  if (!isObject(parsed)) throw corrupt(file, 'its header is not a JSON object')
  const dataStart = 8 + json.length
  const headers: TensorHeader[] = []
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') continue
    if (!isObject(entry)) throw corrupt(file, `${name} is not described by an object`)
    headers.push(tensor(name, entry, dataStart, file))
  }
  const end = headers.reduce((last, header) => Math.max(last, header.offset + header.bytes), dataStart)
  if (end > size) throw truncated(file, end - size, size)
  return headers
}
