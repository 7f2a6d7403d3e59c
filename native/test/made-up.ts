/** A small random model in memory and on disk, for tests that need no fixtures: Llama layout, bf16. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Uniform numbers in [-1, 1): a linear congruential generator, so that every run has the same weights. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  }
}

export interface MadeUp {
  hidden: number
  heads: number
  kvHeads: number
  headDim: number
  ffn: number
  layers: number
  vocab: number
  context: number
}

export const small: MadeUp = { hidden: 80, heads: 6, kvHeads: 2, headDim: 16, ffn: 208, layers: 2, vocab: 1500, context: 2048 }

/** Writes config.json and model.safetensors into `folder`. */
export function writeMadeUpModel(folder: string, shape: MadeUp = small): void {
  mkdirSync(folder, { recursive: true })
  const { hidden, heads, kvHeads, headDim, ffn, layers, vocab, context } = shape
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({
    architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: hidden, num_attention_heads: heads,
    num_key_value_heads: kvHeads, head_dim: headDim, intermediate_size: ffn, num_hidden_layers: layers, vocab_size: vocab,
    max_position_embeddings: context, rms_norm_eps: 1e-5, rope_theta: 10000, hidden_act: 'silu', tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  }))
  const tensors: [string, number[], number][] = [
    ['model.embed_tokens.weight', [vocab, hidden], 1],
    ['model.norm.weight', [hidden], 0],
    ['lm_head.weight', [vocab, hidden], 0.8],
  ]
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}.weight`
    tensors.push(
      [name('input_layernorm'), [hidden], 0],
      [name('post_attention_layernorm'), [hidden], 0],
      [name('self_attn.q_proj'), [heads * headDim, hidden], 0.4],
      [name('self_attn.k_proj'), [kvHeads * headDim, hidden], 0.4],
      [name('self_attn.v_proj'), [kvHeads * headDim, hidden], 0.3],
      [name('self_attn.o_proj'), [hidden, heads * headDim], 0.3],
      [name('mlp.gate_proj'), [ffn, hidden], 0.3],
      [name('mlp.up_proj'), [ffn, hidden], 0.3],
      [name('mlp.down_proj'), [hidden, ffn], 0.2],
    )
  }
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const [name, dims] of tensors) {
    const bytes = dims.reduce((product, n) => product * n, 1) * 2
    header[name] = { dtype: 'BF16', shape: dims, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  const json = Buffer.from(JSON.stringify(header))
  const file = Buffer.alloc(8 + json.length + offset)
  file.writeBigUInt64LE(BigInt(json.length), 0)
  json.copy(file, 8)
  const next = generator(20)
  const view = new DataView(new ArrayBuffer(4))
  let at = 8 + json.length
  for (const [, dims, size] of tensors) {
    const count = dims.reduce((product, n) => product * n, 1)
    for (let i = 0; i < count; i++, at += 2) {
      // A norm's weights lie around 1, a matrix's around 0.
      view.setFloat32(0, size === 0 ? 1 + 0.2 * next() : size * next())
      file.writeUInt16LE(view.getUint16(0), at)
    }
  }
  writeFileSync(path.join(folder, 'model.safetensors'), file)
}
