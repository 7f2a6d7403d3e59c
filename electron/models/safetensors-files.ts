/** Reads the safetensors headers of a model folder: one file, or shards with an index. */
import { open, readFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LanyardError } from '../contract/errors.ts'
import { isObject } from './architecture/config.ts'
import { headerLength, parseHeader, type TensorHeader, type TensorHeaders } from './safetensors.ts'

async function readFileHeaders(path: string): Promise<TensorHeader[]> {
  await using file = await open(path, 'r')
  const { size } = await file.stat()
  const first = new Uint8Array(8)
  const { bytesRead } = await file.read(first, 0, 8, 0)
  const length = headerLength(first.subarray(0, bytesRead), size, path)
  const json = new Uint8Array(length)
  let have = 0
  while (have < length) {
    const part = await file.read(json, have, length - have, 8 + have)
    if (part.bytesRead === 0) break
    have += part.bytesRead
  }
  return parseHeader(json.subarray(0, have), size, path)
}

/** The weight files of a folder, as the index names them, or the one file. */
async function weightFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  const index = 'model.safetensors.index.json'
  if (names.includes(index)) {
    let parsed: unknown
    try {
      parsed = JSON.parse(await readFile(join(folder, index), 'utf8'))
    } catch (cause) {
      throw new LanyardError(
        'model_unreadable',
        `${join(folder, index)} is not JSON.`,
        'Download or copy the file again.',
        { cause },
      )
    }
    const map = isObject(parsed) ? parsed['weight_map'] : undefined
    if (!isObject(map)) {
      throw new LanyardError(
        'model_unreadable',
        `${join(folder, index)} has no weight_map.`,
        'Download or copy the file again.',
      )
    }
    const files = [...new Set(Object.values(map).map(String))].sort()
    for (const file of files) {
      // A name with a folder in it could point outside of the model.
      if (basename(file) !== file)
        throw new LanyardError('model_unreadable', `${index} names "${file}", which is outside of the model's folder.`)
      if (!names.includes(file)) {
        throw new LanyardError(
          'model_truncated',
          `${file} is missing: the index names ${files.length} weight files.`,
          `Download or copy ${file} into ${folder}.`,
        )
      }
    }
    return files
  }
  if (names.includes('model.safetensors')) return ['model.safetensors']
  const loose = names.filter((name) => name.endsWith('.safetensors')).sort()
  if (loose.length > 0) return loose
  const pickled = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name))
  if (pickled.length > 0) {
    throw new LanyardError(
      'model_unsupported',
      `The weights are pickle files only (${pickled[0]}); loading those can run any code in them, so they are refused.`,
      'Use the safetensors version of this model, or convert it with transformers: save_pretrained(…, safe_serialization=True).',
    )
  }
  if (names.some((name) => name.endsWith('.gguf'))) {
    throw new LanyardError(
      'model_unsupported',
      `${folder} holds GGUF files, not safetensors.`,
      `Give the path of the file: ${join(
        folder,
        names.find((name) => name.endsWith('.gguf'))!,
      )}.`,
    )
  }
  throw new LanyardError(
    'model_missing',
    `${folder} has no safetensors weights.`,
    'Choose the folder that holds config.json and *.safetensors.',
  )
}

/**
 * All tensors of the model in `folder`, by name. Reads headers only.
 * Throws `model_missing`, `model_truncated`, `model_unreadable`, `model_unsupported` (pickle, GGUF).
 */
export async function readHeaders(folder: string): Promise<TensorHeaders> {
  const headers: TensorHeaders = new Map()
  for (const file of await weightFiles(folder)) {
    for (const header of await readFileHeaders(join(folder, file))) headers.set(header.name, header)
  }
  return headers
}
