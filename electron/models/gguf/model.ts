/** What a GGUF file says of its model, in the words of config.json and with the tensor names of safetensors. Pure. */
import { LanyardError } from '../../contract/errors.ts'
import type { JsonObject } from '../architecture/config.ts'
import type { TensorHeader, TensorHeaders } from '../safetensors.ts'
import type { Gguf, GgufValue } from './gguf.ts'

/** general.architecture → config.json's. `interleaved`: q and k have their rotation pairs next to each other. */
const architectures: Record<string, { name: string; interleaved: boolean }> = {
  llama: { name: 'LlamaForCausalLM', interleaved: true },
  qwen2: { name: 'Qwen2ForCausalLM', interleaved: false },
  qwen3: { name: 'Qwen3ForCausalLM', interleaved: false },
}

/** ggml's types: our name, values and bytes of a block. */
const types: Record<number, { dtype: string; values: number; bytes: number }> = {
  0: { dtype: 'F32', values: 1, bytes: 4 },
  1: { dtype: 'F16', values: 1, bytes: 2 },
  2: { dtype: 'Q4_0', values: 32, bytes: 18 },
  8: { dtype: 'Q8_0', values: 32, bytes: 34 },
  12: { dtype: 'Q4_K', values: 256, bytes: 144 },
  13: { dtype: 'Q5_K', values: 256, bytes: 176 },
  14: { dtype: 'Q6_K', values: 256, bytes: 210 },
  30: { dtype: 'BF16', values: 1, bytes: 2 },
}

/** Names of types that exist and cannot be read, for the refusal. */
const otherTypes: Record<number, string> = {
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  39: 'MXFP4',
}

const names: Record<string, string> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
}

const layerNames: Record<string, string> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

/** `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; a name that is not known stays. */
function nameOf(name: string): string {
  const layer = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name)
  if (layer) return layerNames[layer[2]!] ? `model.layers.${layer[1]}.${layerNames[layer[2]!]}.${layer[3]}` : name
  const [module, kind] = name.split('.')
  return kind && names[module!] ? `${names[module!]}.${kind}` : name
}

function unsupported(message: string, hint: string): never {
  throw new LanyardError('model_unsupported', message, hint)
}

/** Readings of the metadata under the architecture's prefix. */
function factsOf(gguf: Gguf, file: string) {
  const get = (key: string) => gguf.metadata.get(key)
  const kind = String(get('general.architecture') ?? '')
  const architecture = architectures[kind]
  if (!architecture) {
    unsupported(
      `${file} holds a model of the kind "${kind}", which cannot be read from GGUF.`,
      `From GGUF ${Object.keys(architectures).join(', ')} can be read; use the safetensors version of this model.`,
    )
  }
  const number = (key: string): number | undefined => {
    const value: GgufValue | undefined = get(`${kind}.${key}`)
    if (value === undefined) return undefined
    // Some conversions give one number per layer; only one for all can be used.
    const [first] = Array.isArray(value) ? value : [value]
    if (typeof first !== 'number' || (Array.isArray(value) && value.some((each) => each !== first))) {
      unsupported(`${file}: ${kind}.${key} differs between layers.`, 'Use the safetensors version of this model.')
    }
    return first
  }
  return { architecture, kind, get, number }
}

/** config.json as the published checkpoint would have it. Throws `model_unsupported`. */
export function configOfGguf(gguf: Gguf, file: string): JsonObject {
  const { architecture, kind, get, number } = factsOf(gguf, file)
  const table = gguf.tensors.find(({ name }) => name === 'token_embd.weight')
  const experts = number('expert_count') ?? 0
  if (experts > 0) unsupported(`${file} holds a mixture of experts.`, 'Use the safetensors version of this model.')
  const config: JsonObject = {
    architectures: [architecture.name],
    tie_word_embeddings: !gguf.tensors.some(({ name }) => name === 'output.weight'),
    attention_bias: kind === 'llama' && gguf.tensors.some(({ name }) => name === 'blk.0.attn_q.bias'),
  }
  const set = (key: string, value: number | undefined) => {
    if (value !== undefined) config[key] = value
  }
  set('hidden_size', number('embedding_length'))
  set('num_hidden_layers', number('block_count'))
  set('intermediate_size', number('feed_forward_length'))
  set('num_attention_heads', number('attention.head_count'))
  set('num_key_value_heads', number('attention.head_count_kv'))
  set('head_dim', number('attention.key_length'))
  set('rms_norm_eps', number('attention.layer_norm_rms_epsilon'))
  set('rope_theta', number('rope.freq_base') ?? 10000)
  set('max_position_embeddings', number('context_length'))
  set('vocab_size', table?.shape[0])
  const scaling = String(get(`${kind}.rope.scaling.type`) ?? 'none')
  if (scaling === 'linear' || scaling === 'yarn') {
    const rope: JsonObject = { rope_type: scaling, factor: number('rope.scaling.factor') ?? 1 }
    const original = number('rope.scaling.original_context_length')
    if (original !== undefined) rope['original_max_position_embeddings'] = original
    config['rope_scaling'] = rope
  } else if (scaling !== 'none') {
    unsupported(`${file} scales its rope as "${scaling}".`, 'Use the safetensors version of this model.')
  }
  return config
}

/** The name of the tensor of factors that divide the rope's frequencies (Llama 3.1 and later). */
export const ropeFactorsName = 'rope_freqs.weight'

/** Its tensors under the names of safetensors. Throws `model_unsupported` (a type), `model_truncated`. */
export function headersOfGguf(gguf: Gguf, file: string, size: number): TensorHeaders {
  const { architecture, number } = factsOf(gguf, file)
  const heads = number('attention.head_count') ?? 1
  const kvHeads = number('attention.head_count_kv') ?? heads
  const headers: TensorHeaders = new Map()
  for (const { name, shape, type, offset } of gguf.tensors) {
    const known = types[type]
    if (!known) {
      unsupported(
        `${name} of ${file} is stored as ${otherTypes[type] ?? `type ${type}`}, which cannot be read.`,
        'Readable are Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, F16, BF16 and F32: use such a conversion (for example Q4_K_M or Q8_0).',
      )
    }
    const values = shape.reduce((product, n) => product * n, 1)
    if (shape.at(-1)! % known.values !== 0) {
      throw new LanyardError(
        'model_unreadable',
        `${file} is not a readable GGUF file: rows of ${name} are no whole number of ${known.dtype} blocks.`,
        'Download or copy the file again.',
      )
    }
    const bytes = (values / known.values) * known.bytes
    if (offset + bytes > size) {
      throw new LanyardError(
        'model_truncated',
        `${file} is cut short: ${name} ends ${offset + bytes - size} bytes behind its end.`,
        'Download or copy the file again.',
      )
    }
    const header: TensorHeader = { name: nameOf(name), dtype: known.dtype, shape, file, offset, bytes }
    const rotated = architecture.interleaved ? /\.attn_([qk])\.(weight|bias)$/.exec(name) : null
    if (rotated) header.interleavedHeads = rotated[1] === 'q' ? heads : kvHeads
    headers.set(header.name, header)
  }
  return headers
}
