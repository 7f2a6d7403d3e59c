/** Golden models: tiny, made up by a rule, with what transformers computes from them (see make_goldens.py). */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestConfig } from '../make-model.ts'

export interface GoldenPrompt {
  ids: number[]
  /** after the last prompt token, [vocabulary] */
  logits: Float32Array
  /** the tokens that follow */
  greedy: number[]
  /** the longest sequence of the deployment, where the arithmetic depends on it */
  context?: number
}

export interface Golden {
  versions: Record<string, string>
  config: TestConfig
  /** ids from here on are padding */
  used: number
  /** name, shape, base, shift; bytes instead of bf16 where `U8` is said */
  tensors: [string, number[], number, number, 'U8'?][]
  prompts: GoldenPrompt[]
}

const here = import.meta.dirname

/** What there is a golden of. */
export const goldenNames = readdirSync(here)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length))
  .sort()

export function readGolden(name: string): Golden {
  const golden = JSON.parse(readFileSync(join(here, `${name}.json`), 'utf8')) as Omit<Golden, 'prompts'> & {
    prompts: (Omit<GoldenPrompt, 'logits'> & { logits: string })[]
  }
  const prompts = golden.prompts.map((prompt) => {
    const bytes = Buffer.from(prompt.logits, 'base64')
    const logits = Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
    return { ...prompt, logits }
  })
  return { ...golden, prompts }
}

/** The bytes of a tensor: the rule of make_goldens.py. */
function bytesOf([name, shape, base, shift, type]: Golden['tensors'][number]): Uint8Array {
  const count = shape.reduce((product, n) => product * n, 1)
  let seed = 0x811c9dc5
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 0x01000193)
  const hash = (i: number) => {
    let x = seed ^ Math.imul(i, 0x9e3779b9)
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return x ^ (x >>> 16)
  }
  if (type === 'U8') return Uint8Array.from({ length: count }, (_, i) => base + (hash(i) & (2 ** shift - 1)))
  const values = Float32Array.from({ length: count }, (_, i) => base + ((hash(i) & 63) - 32) * 2 ** shift)
  const halves = Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16)
  return new Uint8Array(halves.buffer)
}

/** Writes config.json and model.safetensors (bf16, which holds these values exactly) into `folder`, and returns it. */
export function writeGoldenModel(folder: string, golden: Golden): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(golden.config))
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const data: Uint8Array[] = []
  let at = 0
  for (const tensor of golden.tensors) {
    const [name, shape, , , type] = tensor
    const bytes = bytesOf(tensor)
    data.push(bytes)
    header[name] = { dtype: type ?? 'BF16', shape, data_offsets: [at, at + bytes.length] }
    at += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, json, ...data]))
  return folder
}
