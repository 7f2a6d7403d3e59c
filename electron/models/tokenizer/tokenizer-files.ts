/** Reads a model folder's tokenizer. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LanyardError } from '../../contract/errors.ts'
import { isObject, type JsonObject } from '../architecture/config.ts'
import { huggingFaceTokenizer } from './hugging-face.ts'
import { tiktokenTokenizer } from './tiktoken.ts'
import type { Tokenizer } from './tokenizer.ts'

async function readObject(path: string): Promise<JsonObject> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (isObject(parsed)) return parsed
  } catch (cause) {
    throw new LanyardError('model_tokenizer', `${path} is not JSON.`, 'Download or copy the file again.', { cause })
  }
  throw new LanyardError('model_tokenizer', `${path} does not hold a JSON object.`, 'Download or copy the file again.')
}

/** Which tokenizer a folder has, by the names of its files. Throws `model_tokenizer`. */
export function tokenizerKind(names: readonly string[]): Tokenizer['kind'] {
  if (names.includes('tokenizer.json')) return 'tokenizer.json'
  if (names.includes('qwen.tiktoken')) return 'qwen.tiktoken'
  const other = names.find((name) => name === 'tokenizer.model' || name.endsWith('.tiktoken') || name === 'tekken.json')
  throw new LanyardError(
    'model_tokenizer',
    other ? `The tokenizer is only there as ${other}, which cannot be read yet.` : 'The folder has no tokenizer.json.',
    "Add the checkpoint's tokenizer.json (transformers writes one with AutoTokenizer.from_pretrained(…).save_pretrained(…)).",
  )
}

/** The tokenizer of the model in `folder`. Throws `model_tokenizer`. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const names = await readdir(folder)
  if (tokenizerKind(names) === 'qwen.tiktoken')
    return tiktokenTokenizer(await readFile(join(folder, 'qwen.tiktoken'), 'utf8'))
  const config = names.includes('tokenizer_config.json') ? await readObject(join(folder, 'tokenizer_config.json')) : {}
  return huggingFaceTokenizer(await readObject(join(folder, 'tokenizer.json')), config)
}
