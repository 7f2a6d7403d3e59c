/** A model folder made from nothing, for clones without the fixtures: Llama's layout, random weights, one token per byte. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'

const hidden = 64,
  inner = 128,
  layers = 2,
  vocab = 258
/** after the 256 bytes */
const bos = 256,
  eos = 257

/** GPT-2's letters for bytes: printable Latin-1 stands for itself, the other bytes for letters from U+0100 on. */
function byteLetters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let others = 0
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + others++))
}

/** The same numbers on every run, uniform in ±0.05: a linear congruential generator (Numerical Recipes). */
function noise(count: number, seed: number): Float32Array {
  const values = new Float32Array(count)
  for (let i = 0, state = seed; i < count; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    values[i] = (state / 2 ** 32 - 0.5) / 10
  }
  return values
}

function safetensors(shapes: Record<string, number[]>): Buffer {
  const header: Record<string, { dtype: 'F32'; shape: number[]; data_offsets: [number, number] }> = {}
  const data: Buffer[] = []
  let at = 0
  for (const [name, shape] of Object.entries(shapes)) {
    const count = shape.reduce((a, b) => a * b, 1)
    const values = shape.length === 1 ? new Float32Array(count).fill(1) : noise(count, at + 1)
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] }
    at += values.byteLength
    data.push(Buffer.from(values.buffer))
  }
  const json = JSON.stringify(header)
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, ...data])
}

/** Writes the model (about half a megabyte) into `folder` and returns it. */
export async function writeTinyModel(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const shapes: Record<string, number[]> = {
    'model.embed_tokens.weight': [vocab, hidden],
    'model.norm.weight': [hidden],
    'lm_head.weight': [vocab, hidden],
  }
  for (let layer = 0; layer < layers; layer++) {
    const of = `model.layers.${layer}`
    for (const norm of ['input_layernorm', 'post_attention_layernorm']) shapes[`${of}.${norm}.weight`] = [hidden]
    for (const projection of ['q_proj', 'k_proj', 'v_proj', 'o_proj'])
      shapes[`${of}.self_attn.${projection}.weight`] = [hidden, hidden]
    for (const projection of ['gate_proj', 'up_proj']) shapes[`${of}.mlp.${projection}.weight`] = [inner, hidden]
    shapes[`${of}.mlp.down_proj.weight`] = [hidden, inner]
  }
  const special = [
    [bos, '<s>'],
    [eos, '</s>'],
  ] as const
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    normalizer: null,
    post_processor: null,
    added_tokens: special.map(([id, content]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(byteLetters().map((letter, byte) => [letter, byte])),
      merges: [],
    },
  }
  const files: Record<string, unknown> = {
    'config.json': {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: 4,
      num_key_value_heads: 4,
      hidden_act: 'silu',
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      max_position_embeddings: 1024,
      vocab_size: vocab,
      tie_word_embeddings: false,
      torch_dtype: 'float32',
      bos_token_id: bos,
      eos_token_id: eos,
    },
    'tokenizer.json': tokenizer,
    'tokenizer_config.json': {
      bos_token: '<s>',
      eos_token: '</s>',
      tokenizer_class: 'PreTrainedTokenizerFast',
      chat_template:
        "{{ bos_token }}{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
    },
  }
  for (const [name, value] of Object.entries(files)) await writeFile(path.join(folder, name), JSON.stringify(value))
  await writeFile(path.join(folder, 'model.safetensors'), safetensors(shapes))
  return folder
}
