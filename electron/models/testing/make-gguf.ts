/**
 * Writes GGUF files for tests: the model of a folder with safetensors, as llama.cpp's converter lays it out (its names,
 * its order of q and k rows, Llama 3.1's rope as a tensor of factors), in a type of one's choice.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelFacts } from '../architecture/architecture.ts'
import { plainFrequencies } from '../architecture/rope.ts'
import { readHeaders } from '../safetensors-files.ts'

export type Value = number | string | boolean | Value[] | { u32: number }

const text = (value: string) => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([length, bytes])
}
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
const f32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

function typed(value: Value): [number, Buffer] {
  if (typeof value === 'boolean') return [7, Buffer.from([value ? 1 : 0])]
  if (typeof value === 'number') return [6, f32(value)]
  if (typeof value === 'string') return [8, text(value)]
  if (!Array.isArray(value)) return [4, u32(value.u32)]
  const items = value.map(typed)
  return [9, Buffer.concat([u32(items[0]?.[0] ?? 4), u64(items.length), ...items.map(([, bytes]) => bytes)])]
}

export interface MadeTensor {
  name: string
  /** rows first */
  shape: number[]
  type: number
  data: Buffer
}

/** A whole file. */
export function ggufOf(metadata: Record<string, Value>, tensors: MadeTensor[], version = 3): Buffer {
  const entries = Object.entries(metadata).map(([name, value]) => {
    const [type, bytes] = typed(value)
    return Buffer.concat([text(name), u32(type), bytes])
  })
  let at = 0
  const infos = tensors.map(({ name, shape, type, data }) => {
    const info = Buffer.concat([text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(at)])
    at += Math.ceil(data.length / 32) * 32
    return info
  })
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(tensors.length),
    u64(entries.length),
    ...entries,
    ...infos,
  ])
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((32 - (bytes.length % 32)) % 32)])
  return Buffer.concat([padded(header), ...tensors.map(({ data }) => padded(data))])
}

function f16Bits(value: number): number {
  // Through a table-free rounding of doubles: enough for scales.
  const bits = new DataView(new ArrayBuffer(4))
  bits.setFloat32(0, value)
  const word = bits.getUint32(0)
  const sign = (word >>> 16) & 0x8000
  const exponent = ((word >>> 23) & 255) - 112
  if (exponent <= 0) return sign | Math.round(Math.abs(value) * 2 ** 24)
  const rounded = (exponent << 10) + ((word & 0x7fffff) >>> 13) + ((word >>> 12) & 1)
  return sign | rounded
}

function f16Value(bits: number): number {
  const exponent = (bits >>> 10) & 31
  const magnitude = exponent === 0 ? (bits & 1023) * 2 ** -24 : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -magnitude : magnitude
}

function q8(values: Float32Array): Buffer {
  const out = Buffer.alloc((values.length / 32) * 34)
  for (let block = 0; block * 32 < values.length; block++) {
    const own = values.subarray(block * 32, block * 32 + 32)
    const bits = f16Bits(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127)
    out.writeUInt16LE(bits, block * 34)
    const scale = f16Value(bits)
    own.forEach((value, i) =>
      out.writeInt8(scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale))), block * 34 + 2 + i),
    )
  }
  return out
}

function valuesOf(dtype: string, bytes: Buffer): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  const out = new Float32Array(bytes.length / 2)
  const words = new Uint32Array(out.buffer)
  for (let i = 0; i < out.length; i++) {
    const half = bytes.readUInt16LE(2 * i)
    if (dtype === 'BF16') words[i] = half * 65536
    else out[i] = f16Value(half)
  }
  return out
}

const layerNames: Record<string, string> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

function nameOf(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  if (layer) return `blk.${layer[1]}.${layerNames[layer[2]!]}.${layer[3]}`
  return name
    .replace('model.embed_tokens', 'token_embd')
    .replace('model.norm', 'output_norm')
    .replace('lm_head', 'output')
}

/** [heads, 2, d/2, …] → [heads, d/2, 2, …], as the converter does for Llama. */
function interleaved(values: Float32Array, rows: number, heads: number): Float32Array {
  const width = values.length / rows
  const half = rows / heads / 2
  const out = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) {
    const [head, within] = [Math.floor(row / (2 * half)), row % (2 * half)]
    const to = head * 2 * half + 2 * (within % half) + Math.floor(within / half)
    out.set(values.subarray(row * width, (row + 1) * width), to * width)
  }
  return out
}

type Json = Record<string, unknown>

/** The metadata of a tokenizer.json of byte-level BPE, or of SentencePiece BPE. */
export function tokenizerMetadata(json: Json, config: Json, pre: string): Record<string, Value> {
  const model = json['model'] as { vocab: Record<string, number>; merges: [string, string][] }
  const added = json['added_tokens'] as { id: number; content: string; special: boolean }[]
  const tokens: string[] = []
  const types: number[] = []
  for (const [token, id] of Object.entries(model.vocab)) {
    tokens[id] = token
    types[id] = /^<0x[0-9A-F]{2}>$/.test(token) ? 6 : 1
  }
  for (const { id, content, special } of added) {
    tokens[id] = content
    types[id] = special ? 3 : 4
  }
  const metadata: Record<string, Value> = {
    'tokenizer.ggml.model': pre === '' ? 'llama' : 'gpt2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types.map((type) => ({ u32: type })),
  }
  if (pre === '') {
    // A piece's score falls with the rank of the merge that first makes it.
    const ranks = new Map<string, number>()
    model.merges.forEach((pair, rank) => {
      if (!ranks.has(pair.join(''))) ranks.set(pair.join(''), rank)
    })
    metadata['tokenizer.ggml.scores'] = tokens.map((token) => -(ranks.get(token) ?? 0))
  } else {
    metadata['tokenizer.ggml.pre'] = pre
    metadata['tokenizer.ggml.merges'] = model.merges.map((pair) => pair.join(' '))
  }
  for (const kind of ['bos', 'eos']) {
    const id = tokens.indexOf(String(config[`${kind}_token`]))
    if (id >= 0) metadata[`tokenizer.ggml.${kind}_token_id`] = { u32: id }
  }
  if (typeof config['chat_template'] === 'string') metadata['tokenizer.chat_template'] = config['chat_template']
  return metadata
}

/** Converts the model in `folder`; matrices of the layers as `type`, the rest as F32. Returns the file's bytes. */
export async function makeGguf(folder: string, type: 'F32' | 'Q8_0', pre: string): Promise<Buffer> {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json
  const config = read('config.json')
  const kind = String(config['model_type'])
  const { decoder } = modelFacts(config)
  const files = new Map<string, Buffer>()
  const tensors: MadeTensor[] = []
  for (const { name, dtype, shape, file, offset, bytes } of (await readHeaders(folder)).values()) {
    if (!files.has(file)) files.set(file, readFileSync(file))
    let values = valuesOf(dtype, files.get(file)!.subarray(offset, offset + bytes))
    const rotated = kind === 'llama' ? /\.([qk])_proj\.(weight|bias)$/.exec(name) : null
    if (rotated) values = interleaved(values, shape[0]!, rotated[1] === 'q' ? decoder.queryHeads : decoder.kvHeads)
    const packed = type === 'Q8_0' && shape.length === 2 && name.includes('.layers.')
    const data = packed ? q8(values) : Buffer.from(values.buffer, values.byteOffset, values.byteLength)
    tensors.push({ name: nameOf(name), shape, type: packed ? 8 : 0, data })
  }
  const rope = decoder.ropes[0]!
  const factors = Float32Array.from(plainFrequencies(rope.theta, rope.dim), (plain, i) => plain / rope.invFreq[i]!)
  if (kind === 'llama')
    tensors.push({ name: 'rope_freqs.weight', shape: [factors.length], type: 0, data: Buffer.from(factors.buffer) })
  const metadata: Record<string, Value> = {
    'general.architecture': kind,
    [`${kind}.block_count`]: { u32: decoder.layers },
    [`${kind}.embedding_length`]: { u32: decoder.hidden },
    [`${kind}.feed_forward_length`]: { u32: decoder.ffn },
    [`${kind}.attention.head_count`]: { u32: decoder.queryHeads },
    [`${kind}.attention.head_count_kv`]: { u32: decoder.kvHeads },
    [`${kind}.attention.key_length`]: { u32: decoder.headDim },
    [`${kind}.attention.layer_norm_rms_epsilon`]: decoder.normEps,
    [`${kind}.rope.freq_base`]: rope.theta,
    [`${kind}.context_length`]: { u32: decoder.context },
    ...tokenizerMetadata(read('tokenizer.json'), read('tokenizer_config.json'), pre),
  }
  return ggufOf(metadata, tensors)
}
