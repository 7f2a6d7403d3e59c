/** Reads the headers of a GGUF model: one file, or the parts of a split one. */
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LanyardError } from '../../contract/errors.ts'
import type { JsonObject } from '../architecture/config.ts'
import type { TensorHeaders } from '../safetensors.ts'
import { type Gguf, GgufIncomplete, parseGguf } from './gguf.ts'
import { configOfGguf, headersOfGguf, ropeFactorsName } from './model.ts'
import { type GgufTokenizer, tokenizerOfGguf } from './tokenizer.ts'

/** Largest header: a vocabulary of 300 000 tokens with merges is below 20 MB. */
const maxHeaderBytes = 256 * 1024 * 1024

async function readAt(handle: FileHandle, bytes: number, position: number): Promise<Uint8Array> {
  const out = new Uint8Array(bytes)
  let have = 0
  while (have < bytes) {
    const { bytesRead } = await handle.read(out, have, bytes - have, position + have)
    if (bytesRead === 0) break
    have += bytesRead
  }
  return out.subarray(0, have)
}

function truncated(file: string): LanyardError {
  return new LanyardError(
    'model_truncated',
    `${file} is cut short: its header goes on behind its end.`,
    'Download or copy the file again.',
  )
}

async function readHeader(file: string): Promise<{ gguf: Gguf; size: number }> {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  for (let bytes = 4 * 1024 * 1024; ; bytes *= 4) {
    const length = Math.min(bytes, size, maxHeaderBytes)
    try {
      return { gguf: parseGguf(await readAt(handle, length, 0), file), size }
    } catch (error) {
      if (!(error instanceof GgufIncomplete)) throw error
      if (length === size) throw truncated(file)
      if (length === maxHeaderBytes) {
        throw new LanyardError(
          'model_unreadable',
          `${file} is not a readable GGUF file: its header is longer than ${maxHeaderBytes} bytes.`,
          'Download or copy the file again.',
        )
      }
    }
  }
}

/** `name-00001-of-00003.gguf` → all three, in order. */
async function partsOf(file: string): Promise<string[]> {
  const split = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(basename(file))
  if (!split) return [file]
  const count = Number(split[3])
  const present = new Set(await readdir(dirname(file)))
  return Array.from({ length: count }, (_, i) => {
    const name = `${split[1]}-${String(i + 1).padStart(5, '0')}-of-${split[3]}.gguf`
    if (!present.has(name)) {
      throw new LanyardError(
        'model_truncated',
        `${name} is missing: the model is split into ${count} files.`,
        `Download or copy ${name} into ${dirname(file)}.`,
      )
    }
    return join(dirname(file), name)
  })
}

export interface GgufModel {
  config: JsonObject
  tokenizer: GgufTokenizer
  headers: TensorHeaders
  /** divide the rope's frequencies, [headDim / 2]; null: none */
  ropeFactors: number[] | null
  files: string[]
}

/** Throws `model_unreadable`, `model_truncated`, `model_unsupported`, `model_tokenizer`. */
export async function readGguf(file: string): Promise<GgufModel> {
  const files = await partsOf(file)
  const parts = await Promise.all(files.map(async (path) => ({ path, ...(await readHeader(path)) })))
  const [first] = parts
  // Only the first part holds the model's facts.
  const whole: Gguf = { metadata: first!.gguf.metadata, tensors: parts.flatMap(({ gguf }) => gguf.tensors) }
  const headers: TensorHeaders = new Map()
  for (const { path, gguf, size } of parts) {
    const own = headersOfGguf({ metadata: whole.metadata, tensors: gguf.tensors }, path, size)
    for (const [name, header] of own) headers.set(name, header)
  }
  const factors = headers.get(ropeFactorsName)
  let ropeFactors: number[] | null = null
  if (factors) {
    headers.delete(ropeFactorsName)
    await using handle = await open(factors.file, 'r')
    const bytes = await readAt(handle, factors.bytes, factors.offset)
    ropeFactors = [...new Float32Array(bytes.slice().buffer)]
  }
  return { config: configOfGguf(whole, file), tokenizer: tokenizerOfGguf(whole, file), headers, ropeFactors, files }
}
