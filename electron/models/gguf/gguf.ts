/**
 * GGUF headers: "GGUF", version, numbers of tensors and of metadata, then metadata (name, type, value) and tensors
 * (name, sizes with the fastest first, type, offset from the data's start), all little-endian. Pure: bytes in, facts out.
 */
import { LanyardError } from '../../contract/errors.ts'

export type GgufValue = boolean | number | string | GgufValue[]

export interface GgufTensor {
  name: string
  /** rows first, as safetensors has it */
  shape: number[]
  /** ggml's number of the type */
  type: number
  /** first byte in the file */
  offset: number
}

export interface Gguf {
  metadata: Map<string, GgufValue>
  tensors: GgufTensor[]
}

/** More bytes of the file are needed to read its header. */
export class GgufIncomplete extends Error {}

function corrupt(file: string, what: string): LanyardError {
  return new LanyardError(
    'model_unreadable',
    `${file} is not a readable GGUF file: ${what}.`,
    'Download or copy the file again.',
  )
}

/** Longest name or text; a vocabulary's tokens and chat templates are far shorter. */
const maxText = 16 * 1024 * 1024
const maxItems = 16 * 1024 * 1024

class Reader {
  at = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #file: string
  readonly #text = new TextDecoder()

  constructor(bytes: Uint8Array, file: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#file = file
  }

  #take(bytes: number): number {
    const at = this.at
    if (at + bytes > this.#bytes.length) throw new GgufIncomplete()
    this.at += bytes
    return at
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** a size that a number can hold */
  size(most = Number.MAX_SAFE_INTEGER): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    if (value > BigInt(most)) throw corrupt(this.#file, `it gives a length of ${value}`)
    return Number(value)
  }

  text(): string {
    const length = this.size(maxText)
    const at = this.#take(length)
    return this.#text.decode(this.#bytes.subarray(at, at + length))
  }

  value(type: number, depth = 0): GgufValue {
    const view = this.#view
    switch (type) {
      case 0:
        return view.getUint8(this.#take(1))
      case 1:
        return view.getInt8(this.#take(1))
      case 2:
        return view.getUint16(this.#take(2), true)
      case 3:
        return view.getInt16(this.#take(2), true)
      case 4:
        return view.getUint32(this.#take(4), true)
      case 5:
        return view.getInt32(this.#take(4), true)
      case 6:
        return view.getFloat32(this.#take(4), true)
      case 7:
        return view.getUint8(this.#take(1)) !== 0
      case 8:
        return this.text()
      case 9: {
        if (depth > 2) throw corrupt(this.#file, 'its lists are nested too deeply')
        const inner = this.u32()
        const count = this.size(maxItems)
        const list: GgufValue[] = []
        for (let i = 0; i < count; i++) list.push(this.value(inner, depth + 1))
        return list
      }
      case 10:
        return Number(view.getBigUint64(this.#take(8), true))
      case 11:
        return Number(view.getBigInt64(this.#take(8), true))
      case 12:
        return view.getFloat64(this.#take(8), true)
      default:
        throw corrupt(this.#file, `it has a value of the unknown type ${type}`)
    }
  }
}

const magic = 0x46554747

/**
 * Reads the header at the front of `bytes`. Throws `GgufIncomplete` when they end too early, `model_unreadable`,
 * `model_unsupported` (version 1, big-endian).
 */
export function parseGguf(bytes: Uint8Array, file: string): Gguf {
  const reader = new Reader(bytes, file)
  if (reader.u32() !== magic) throw corrupt(file, 'it does not begin with GGUF')
  const version = reader.u32()
  if (version !== 2 && version !== 3) {
    throw new LanyardError(
      'model_unsupported',
      `${file} is GGUF of version ${version}; versions 2 and 3 can be read.`,
      'Use a newer conversion of this model.',
    )
  }
  const tensorCount = reader.size(maxItems)
  const metadataCount = reader.size(maxItems)
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < metadataCount; i++) {
    const name = reader.text()
    metadata.set(name, reader.value(reader.u32()))
  }
  const tensors: GgufTensor[] = []
  for (let i = 0; i < tensorCount; i++) {
    const name = reader.text()
    const axes = reader.u32()
    if (axes < 1 || axes > 4) throw corrupt(file, `${name} has ${axes} axes`)
    const shape = Array.from({ length: axes }, () => reader.size()).toReversed()
    tensors.push({ name, shape, type: reader.u32(), offset: reader.size() })
  }
  const stated = metadata.get('general.alignment')
  const alignment = typeof stated === 'number' && stated > 0 ? stated : 32
  const start = Math.ceil(reader.at / alignment) * alignment
  return { metadata, tensors: tensors.map((tensor) => ({ ...tensor, offset: start + tensor.offset })) }
}
