/**
 * Models that tests make for themselves: every value of every tensor is another number (a counter in the bits of an
 * f32), so that a test can say of any byte where it came from.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelFacts } from '../architecture/architecture.ts'

export type TestConfig = Record<string, unknown>

const common = {
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 24,
  vocab_size: 264,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
}

/** A small configuration per layout: separate and fused matrices, tied and untied, biases, experts, q width ≠ hidden. */
export const testConfigs: Record<string, TestConfig> = {
  llama: { ...common, architectures: ['LlamaForCausalLM'] },
  'llama with biases, tied': {
    ...common,
    architectures: ['LlamaForCausalLM'],
    attention_bias: true,
    tie_word_embeddings: true,
  },
  qwen2: {
    ...common,
    architectures: ['Qwen2ForCausalLM'],
    num_attention_heads: 6,
    num_key_value_heads: 2,
    head_dim: 4,
  },
  qwen3: { ...common, architectures: ['Qwen3ForCausalLM'], head_dim: 6 },
  qwen1: {
    architectures: ['QWenLMHeadModel'],
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    kv_channels: 4,
    intermediate_size: 48,
    vocab_size: 264,
    seq_length: 64,
    max_position_embeddings: 128,
    no_bias: true,
    use_dynamic_ntk: true,
    use_logn_attn: true,
  },
  phi3: { ...common, architectures: ['Phi3ForCausalLM'] },
  gemma2: {
    ...common,
    architectures: ['Gemma2ForCausalLM'],
    head_dim: 6,
    query_pre_attn_scalar: 6,
    tie_word_embeddings: true,
  },
  mixtral: { ...common, architectures: ['MixtralForCausalLM'], num_local_experts: 3, num_experts_per_tok: 2 },
  qwen2_moe: {
    ...common,
    architectures: ['Qwen2MoeForCausalLM'],
    num_experts: 3,
    num_experts_per_tok: 2,
    moe_intermediate_size: 8,
    shared_expert_intermediate_size: 20,
    mlp_only_layers: [0],
  },
  gpt_oss: {
    ...common,
    architectures: ['GptOssForCausalLM'],
    num_local_experts: 3,
    num_experts_per_tok: 2,
    sliding_window: 16,
  },
}

/** Whole tensors of a model as counters, by name. */
export function tensorsOf(config: TestConfig): Map<string, { shape: number[]; values: Uint32Array }> {
  const tensors = new Map<string, { shape: number[]; values: Uint32Array }>()
  let next = 0
  for (const rule of modelFacts(config).rules) {
    for (const { name, shape } of rule.pieces) {
      if (tensors.has(name)) continue
      const values = Uint32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, () => next++)
      tensors.set(name, { shape, values })
    }
  }
  return tensors
}

/** A safetensors file. */
export function safetensorsOf(tensors: Iterable<[string, { shape: number[]; values: Uint32Array }]>): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const data: Buffer[] = []
  let at = 0
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] }
    data.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
    at += values.byteLength
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...data])
}

const tokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']

/** A byte-level tokenizer without merges: one token per byte, then three special ones. */
function tokenizerJson(): unknown {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  const vocab: Record<string, number> = {}
  let next = 256
  for (let byte = 0; byte < 256; byte++) vocab[String.fromCodePoint(printable(byte) ? byte : next++)] = byte
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens.map((content, i) => ({
      id: 256 + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] },
  }
}

/** Writes the tokenizer's files: 259 ids, one for each byte, then <|endoftext|>, <|im_start|>, <|im_end|>. */
export function writeTokenizer(folder: string): void {
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson()))
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|im_end|>' }))
}

/** Writes a whole model folder; `shards` > 1 spreads the tensors over files with an index. Returns the folder. */
export function makeModel(folder: string, config: TestConfig, shards = 1): string {
  mkdirSync(folder, { recursive: true })
  const put = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  put('config.json', config)
  writeTokenizer(folder)
  put('generation_config.json', { eos_token_id: 256, temperature: 0.7, top_p: 0.8, top_k: 20 })
  const entries = [...tensorsOf(config)]
  if (shards === 1) {
    writeFileSync(join(folder, 'model.safetensors'), safetensorsOf(entries))
    return folder
  }
  const weightMap: Record<string, string> = {}
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`
    const own = entries.filter((_, i) => i % shards === shard)
    for (const [name] of own) weightMap[name] = file
    writeFileSync(join(folder, file), safetensorsOf(own))
  }
  put('model.safetensors.index.json', { metadata: {}, weight_map: weightMap })
  return folder
}
