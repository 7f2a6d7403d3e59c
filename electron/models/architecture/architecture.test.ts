import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { LanyardError } from '../../contract/errors.ts'
import { kvBytesPerToken } from '../../placement/model.ts'
import { splitsOf } from '../../placement/split.ts'
import { testConfigs } from '../testing/make-model.ts'
import { wholeSplit } from '../load-plan.ts'
import { weightSizes } from '../weight-sizes.ts'
import { decoderSpecOf, modelFacts, supportedArchitectures } from './architecture.ts'

const fixtures = fileURLToPath(new URL('../../../../shared/fixtures/main/', import.meta.url))
const present = existsSync(fixtures)
if (!present)
  console.log(
    'Left out: the published and the transformers 5 form of the fixtures’ configs (../shared/fixtures is absent).',
  )

const yarn = { type: 'yarn', factor: 40, original_max_position_embeddings: 4096, beta_fast: 32, beta_slow: 1 }
/** As DeepSeek-V3 and DeepSeek-V2-Lite are published. */
const deepseekV3 = {
  architectures: ['DeepseekV3ForCausalLM'],
  hidden_size: 7168,
  num_hidden_layers: 61,
  num_nextn_predict_layers: 1,
  num_attention_heads: 128,
  num_key_value_heads: 128,
  intermediate_size: 18432,
  moe_intermediate_size: 2048,
  n_routed_experts: 256,
  n_shared_experts: 1,
  num_experts_per_tok: 8,
  n_group: 8,
  topk_group: 4,
  topk_method: 'noaux_tc',
  scoring_func: 'sigmoid',
  norm_topk_prob: true,
  routed_scaling_factor: 2.5,
  first_k_dense_replace: 3,
  moe_layer_freq: 1,
  kv_lora_rank: 512,
  q_lora_rank: 1536,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
  vocab_size: 129280,
  max_position_embeddings: 163840,
  rope_theta: 10000,
  rope_scaling: { ...yarn, mscale: 1, mscale_all_dim: 1 },
  attention_bias: false,
  hidden_act: 'silu',
  tie_word_embeddings: false,
}
const deepseekV2Lite = {
  ...deepseekV3,
  architectures: ['DeepseekV2ForCausalLM'],
  hidden_size: 2048,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  intermediate_size: 10944,
  moe_intermediate_size: 1408,
  n_routed_experts: 64,
  n_shared_experts: 2,
  num_experts_per_tok: 6,
  n_group: 1,
  topk_group: 1,
  topk_method: 'greedy',
  scoring_func: 'softmax',
  norm_topk_prob: false,
  routed_scaling_factor: 1,
  first_k_dense_replace: 1,
  q_lora_rank: null,
  vocab_size: 102400,
  rope_scaling: { ...yarn, mscale: 0.707, mscale_all_dim: 0.707 },
}

const llama = { ...testConfigs['llama'], head_dim: 64 }
const refusal = (config: unknown) => {
  try {
    modelFacts(config)
  } catch (error) {
    return error as LanyardError
  }
  throw new Error('nothing was refused')
}

const twoForms = [
  'llama',
  'llama-tied-f16',
  'qwen2',
  'qwen2-yarn',
  'qwen3',
  'mistral',
  'mixtral',
  'qwen3_moe',
  'phi3',
  'gemma2',
  'gemma3',
]

test.skipIf(!present).each(twoForms)('%s: both forms of config.json say the same', (name) => {
  const [published, newer] = ['config.json', 'config.v5.json'].map((file) =>
    modelFacts(JSON.parse(readFileSync(`${fixtures}${name}/${file}`, 'utf8'))),
  )
  expect(newer).toEqual(published)
})

describe('what is refused', () => {
  test('an unknown architecture, by name, with what is supported', () => {
    const error = refusal({ architectures: ['UnheardOfForCausalLM'] })
    expect(error).toMatchObject({
      code: 'model_unsupported',
      message: 'The architecture "UnheardOfForCausalLM" is not supported.',
    })
    for (const name of supportedArchitectures) expect(error.hint).toContain(name)
    expect(refusal({ model_type: 'mamba' }).message).toContain('mamba')
  })

  test('a known architecture, with what the engine lacks', () => {
    const error = refusal({ architectures: ['DeepseekV32ForCausalLM'] })
    expect(error).toMatchObject({
      code: 'model_unsupported',
      message: expect.stringMatching(/DeepseekV32ForCausalLM.*sparse attention/),
    })
  })

  const group = (weights: object, format = 'pack-quantized') => ({
    quant_method: 'compressed-tensors',
    format,
    config_groups: { group_0: { weights } },
  })
  test.each([
    ['GPTQ with 3 bits', { quant_method: 'gptq', bits: 3, group_size: 128 }],
    ['GPTQ in the marlin layout', { quant_method: 'gptq', bits: 4, checkpoint_format: 'marlin' }],
    ['GPTQ in the Marlin layout', { quant_method: 'gptq', bits: 4, is_marlin_format: true }],
    ['GPTQ in groups of 100', { quant_method: 'gptq', bits: 4, group_size: 100 }],
    ['AWQ in the gemv layout', { quant_method: 'awq', bits: 4, version: 'GEMV' }],
    ['fp8 in e5m2', { quant_method: 'fp8', fmt: 'e5m2' }],
    ['fp8 in blocks of [128]', { quant_method: 'fp8', weight_block_size: [128] }],
    ['bitsandbytes', { quant_method: 'bitsandbytes', load_in_4bit: true }],
    ['quip', { quant_method: 'quip' }],
    [
      'compressed-tensors (int-quantized, int8, channel)',
      group({ num_bits: 8, type: 'int', strategy: 'channel' }, 'int-quantized'),
    ],
    [
      'compressed-tensors (pack-quantized, int4, group) with zero points',
      group({ num_bits: 4, type: 'int', strategy: 'group', group_size: 128, symmetric: false }),
    ],
  ])('a checkpoint quantised as %s', (name, quantization_config) => {
    const error = refusal({ ...llama, quantization_config })
    expect(error).toMatchObject({ code: 'model_unsupported', message: expect.stringContaining(name) })
    expect(error.hint).toMatch(/unquantised checkpoint/)
  })
  test.each([
    ['another activation', { hidden_act: 'relu' }, 'relu'],
    ['another rope scaling', { rope_scaling: { rope_type: 'spiral', factor: 2 } }, 'spiral'],
    ['biases in the feed-forward layers', { mlp_bias: true }, 'mlp_bias'],
    ['biases around a latent', { ...deepseekV3, attention_bias: true }, 'attention_bias'],
    ['a latent that fills no vector', { ...deepseekV3, kv_lora_rank: 500 }, 'a latent of 500'],
    ['another way to choose experts', { ...deepseekV3, topk_method: 'lottery' }, 'topk_method lottery'],
    ['another way to score experts', { ...deepseekV3, scoring_func: 'relu' }, 'scoring_func relu'],
  ])('%s', (_, change, word) => {
    expect(refusal({ ...llama, ...change })).toMatchObject({
      code: 'model_unsupported',
      message: expect.stringContaining(word),
    })
  })

  test.each([
    ['no hidden_size', { hidden_size: undefined }, 'hidden_size'],
    ['half a layer', { num_hidden_layers: 2.5 }, '2.5'],
    ['a number that is text', { num_attention_heads: 'four' }, 'num_attention_heads'],
    ['heads that cannot share the KV heads', { num_key_value_heads: 3 }, '4 attention heads cannot share 3'],
    ['a hidden size that heads do not divide', { head_dim: null, hidden_size: 18 }, 'hidden_size 18'],
    ['a scaling without its factor', { rope_scaling: { type: 'linear' } }, 'factor'],
    ['groups of unequal size', { ...deepseekV3, n_group: 7 }, '4 of 7 groups'],
    ['more groups than there are', { ...deepseekV3, topk_group: 9 }, '9 of 8 groups'],
  ])('a config with %s', (_, change, word) => {
    expect(refusal({ ...llama, ...change })).toMatchObject({
      code: 'model_config_mismatch',
      message: expect.stringContaining(word),
    })
  })

  test.each([[null], ['text'], [[]]])('a config that is %j', (config) => {
    expect(refusal(config).code).toBe('model_config_mismatch')
  })
})

describe('rotary tables', () => {
  const dim = 64
  const plain = Array.from({ length: dim / 2 }, (_, i) => 10000 ** ((-2 * i) / dim))
  const rope = (rope_scaling: unknown, context?: number) =>
    decoderSpecOf({ ...llama, max_position_embeddings: 4096, rope_scaling }, { context }).ropes[0]!

  test('are theta to the power of −2i/dim without scaling, and up to the trained length with dynamic NTK', () => {
    expect(rope(null)).toEqual({ invFreq: plain, dim, attentionFactor: 1, theta: 10000 })
    expect(rope({ type: 'dynamic', factor: 4 }).invFreq).toEqual(plain)
    expect(rope({ type: 'linear', factor: 4 }).invFreq).toEqual(plain.map((f) => f / 4))
  })

  test('of Llama 3 keep short wavelengths, stretch long ones, and pass smoothly between', () => {
    const { invFreq } = rope({
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 512,
    })
    for (const [i, f] of invFreq.entries()) {
      const wavelength = (2 * Math.PI) / plain[i]!
      if (wavelength < 128) expect(f).toBe(plain[i]!)
      else if (wavelength > 512) expect(f).toBe(plain[i]! / 8)
      else expect(f > plain[i]! / 8 && f < plain[i]!).toBe(true)
    }
    expect(new Set(invFreq.map((f, i) => f / plain[i]!)).size).toBeGreaterThan(3)
  })

  test('of YaRN scale cos and sin too, and lengthen the context', () => {
    const scaling = { type: 'yarn', factor: 4, original_max_position_embeddings: 4096 }
    const { invFreq, attentionFactor } = rope(scaling)
    expect(attentionFactor).toBeCloseTo(0.1 * Math.log(4) + 1, 12)
    expect(invFreq[0]).toBe(1)
    expect(invFreq.at(-1)).toBeCloseTo(plain.at(-1)! / 4, 12)
    expect(decoderSpecOf({ ...llama, max_position_embeddings: 4096, rope_scaling: scaling }).context).toBe(16384)
  })

  test('of LongRoPE depend on how long the deployment’s sequences may be', () => {
    const scaling = {
      type: 'longrope',
      short_factor: plain.map(() => 2),
      long_factor: plain.map(() => 5),
      original_max_position_embeddings: 1024,
    }
    expect(rope(scaling, 1024).invFreq).toEqual(plain.map((f) => f / 2))
    expect(rope(scaling, 1025).invFreq).toEqual(plain.map((f) => f / 5))
    expect(rope(scaling).attentionFactor).toBeCloseTo(Math.sqrt(1 + Math.log(4) / Math.log(1024)), 12)
    expect(() => rope({ ...scaling, long_factor: [1] })).toThrow(
      expect.objectContaining({ code: 'model_config_mismatch', message: expect.stringMatching(/1 numbers.*32/) }),
    )
  })

  test('may turn only a part of the head', () => {
    expect(decoderSpecOf({ ...llama, partial_rotary_factor: 0.75 }).ropes[0]).toMatchObject({ dim: 48 })
  })
})

describe('families', () => {
  test('Qwen1: half of intermediate_size is the width, and NTK and logn start at seq_length', () => {
    expect(decoderSpecOf(testConfigs['qwen1'])).toMatchObject({
      ffn: 24,
      lognLength: 64,
      ntkLength: 64,
      context: 128,
      kvHeads: 4,
    })
    expect(decoderSpecOf({ ...testConfigs['qwen1'], use_dynamic_ntk: false, use_logn_attn: false })).toMatchObject({
      lognLength: 0,
      ntkLength: 0,
      context: 64,
    })
  })

  test('Qwen1 of the first release is read by its own key names', () => {
    const {
      hidden_size: n_embd,
      num_hidden_layers: n_layer,
      num_attention_heads: n_head,
      intermediate_size: ffn_hidden_size,
      ...rest
    } = testConfigs['qwen1']!
    expect(decoderSpecOf({ ...rest, n_embd, n_layer, n_head, ffn_hidden_size })).toEqual(
      decoderSpecOf(testConfigs['qwen1']),
    )
  })

  test('sliding windows: all layers, every other, five of six, or none', () => {
    const windows = (config: Record<string, unknown>) =>
      decoderSpecOf({ ...llama, num_hidden_layers: 6, sliding_window: 8, ...config }).layerWindow
    expect(windows({ architectures: ['MistralForCausalLM'] })).toEqual([8, 8, 8, 8, 8, 8])
    expect(windows({ architectures: ['MistralForCausalLM'], sliding_window: null })).toEqual([0, 0, 0, 0, 0, 0])
    expect(windows({ architectures: ['Gemma2ForCausalLM'] })).toEqual([8, 0, 8, 0, 8, 0])
    expect(windows({ architectures: ['Gemma3ForCausalLM'] })).toEqual([8, 8, 8, 8, 8, 0])
    expect(windows({ architectures: ['Qwen2ForCausalLM'] })).toEqual([0, 0, 0, 0, 0, 0])
    expect(windows({ architectures: ['Qwen2ForCausalLM'], use_sliding_window: true, max_window_layers: 4 })).toEqual([
      0, 0, 0, 0, 8, 8,
    ])
  })

  test('Gemma 3 inside a multimodal checkpoint is its text model, with the class’s defaults', () => {
    const text_config = {
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 6,
      sliding_window: 16,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    }
    const decoder = decoderSpecOf({ architectures: ['Gemma3ForConditionalGeneration'], text_config })
    expect(decoder).toMatchObject({
      family: 'gemma3',
      queryHeads: 8,
      kvHeads: 4,
      headDim: 256,
      vocab: 262208,
      normPlusOne: true,
      layerRope: [1, 1, 1, 1, 1, 0],
    })
    expect(decoder.ropes.map(({ theta }) => theta)).toEqual([1e6, 1e4])
  })

  test('Qwen2-MoE says which layers are dense', () => {
    expect(decoderSpecOf(testConfigs['qwen2_moe'])).toMatchObject({
      experts: 3,
      expertsPerToken: 2,
      expertsNormalise: false,
      layerMoe: [false, true],
      ffn: 8,
    })
  })

  test('gpt-oss: sliding first, sinks, biases, clamped gate, and YaRN whose ramp is not cut to whole dimensions', () => {
    const published = {
      architectures: ['GptOssForCausalLM'],
      hidden_size: 2880,
      num_hidden_layers: 4,
      num_attention_heads: 64,
      num_key_value_heads: 8,
      head_dim: 64,
      intermediate_size: 2880,
      vocab_size: 201088,
      max_position_embeddings: 131072,
      sliding_window: 128,
      num_local_experts: 32,
      num_experts_per_tok: 4,
      experts_per_token: 4,
      rope_theta: 150000,
      rms_norm_eps: 1e-5,
      attention_bias: true,
      swiglu_limit: 7,
      rope_scaling: {
        rope_type: 'yarn',
        factor: 32,
        beta_fast: 32,
        beta_slow: 1,
        original_max_position_embeddings: 4096,
        truncate: false,
      },
    }
    const { decoder, rules } = modelFacts(published)
    expect(decoder).toMatchObject({
      family: 'gpt_oss',
      layerWindow: [128, 0, 128, 0],
      expertsPerToken: 4,
      expertsNormalise: true,
      context: 131072,
      activation: 'swiglu_clamped',
      clamp: { alpha: 1.702, limit: 7 },
    })
    const of = (role: string) => rules.filter((rule) => rule.role === role && rule.layer === 3).length
    expect(
      ['attn_qkv_bias', 'attn_o_bias', 'attn_sinks', 'router_bias', 'expert_gate_up_bias', 'expert_down_bias'].map(of),
    ).toEqual([1, 1, 1, 1, 32, 32])
    const whole = decoderSpecOf({ ...published, rope_scaling: { ...published.rope_scaling, truncate: true } }).ropes[0]!
    expect(decoder.ropes[0]!.invFreq).not.toEqual(whole.invFreq)
    expect(decoder.ropes[0]!.attentionFactor).toBeCloseTo(0.1 * Math.log(32) + 1, 12)
    // transformers 5 writes the rope's numbers in one object.
    const { rope_theta, rope_scaling, ...rest } = published
    const newer = { ...rest, dtype: 'bfloat16', rope_parameters: { ...rope_scaling, rope_theta } }
    expect(decoderSpecOf(newer)).toEqual(decoder)
  })

  test('DeepSeek-V3: one latent for all heads, groups of experts by their two best, 671 billion weights', () => {
    const facts = modelFacts(deepseekV3)
    const { decoder } = facts
    expect(decoder).toMatchObject({
      kvHeads: 1,
      headDim: 576,
      latent: { rank: 512, queryRank: 1536, plain: 128, value: 128, normEps: 1e-6 },
      ffn: 2048,
      experts: 256,
      expertsNormalise: true,
      routing: { sigmoid: true, groups: 8, groupsUsed: 4, groupBest: 2, factor: 2.5 },
      context: 163840,
    })
    expect(decoder.layerMoe.indexOf(true)).toBe(3)
    expect(decoder.attentionScale).toBeCloseTo(192 ** -0.5 * (0.1 * Math.log(40) + 1) ** 2, 12)
    expect(decoder.ropes).toEqual([expect.objectContaining({ dim: 64, attentionFactor: 1, interleaved: true })])
    const { attention, ffn, head, table, other } = weightSizes(facts, wholeSplit(decoder), 0)
    expect((attention + ffn + head + table + other) / 1e9).toBeCloseTo(671.03, 1)
    // transformers 5 writes the rope's numbers in one object.
    const { rope_theta, rope_scaling, ...rest } = deepseekV3
    const newer = { ...rest, head_dim: 64, rope_parameters: { ...rope_scaling, rope_theta }, rope_interleave: true }
    expect(decoderSpecOf(newer)).toEqual(decoder)
  })

  test('DeepSeek-V2-Lite: queries without a latent, the best experts of all, weights as they are', () => {
    const facts = modelFacts(deepseekV2Lite)
    const { decoder } = facts
    expect(decoder).toMatchObject({
      latent: { queryRank: 0 },
      expertsNormalise: false,
      routing: { sigmoid: false, groups: 1, groupsUsed: 1, groupBest: 1, factor: 1 },
    })
    expect(decoder.attentionScale).toBeCloseTo(192 ** -0.5 * (0.0707 * Math.log(40) + 1) ** 2, 12)
    const { attention, ffn, head, table, other } = weightSizes(facts, wholeSplit(decoder), 0)
    expect((attention + ffn + head + table + other) / 1e9).toBeCloseTo(15.7, 1)
    expect(facts.rules.some(({ role }) => role === 'router_correction' || role === 'attn_q_up')).toBe(false)
    // 576 values for each layer, whatever number of heads reads them; whole on each rank that has some.
    const [first, last, none] = splitsOf(decoder, [3, 2, 0])
    for (const split of [first!, last!]) expect(kvBytesPerToken(decoder, split, 'bf16')).toBe(27 * 576 * 2)
    expect(kvBytesPerToken(decoder, first!, 'int8')).toBe(27 * (576 + 8))
    expect(kvBytesPerToken(decoder, none!, 'bf16')).toBe(0)
  })

  test('DeepSeek-V2 chooses among groups by their best expert, and normalised weights are not scaled', () => {
    const v2 = { ...deepseekV2Lite, topk_method: 'group_limited_greedy', n_group: 8, topk_group: 3 }
    const routing = (more: object) => decoderSpecOf({ ...v2, routed_scaling_factor: 16, ...more }).routing
    expect(routing({})).toEqual({ sigmoid: false, groups: 8, groupsUsed: 3, groupBest: 1, factor: 16 })
    expect(routing({ norm_topk_prob: true })!.factor).toBe(1)
    expect(decoderSpecOf({ ...v2, moe_layer_freq: 2 }).layerMoe.slice(0, 4)).toEqual([false, false, true, false])
  })

  test('the shapes of published Phi-4-mini, Mistral Nemo, Llama 3.2 and Qwen2.5 with YaRN', () => {
    const longrope = { type: 'longrope', short_factor: new Array(48).fill(1), long_factor: new Array(48).fill(2) }
    const phi = decoderSpecOf({
      architectures: ['Phi3ForCausalLM'],
      hidden_size: 3072,
      num_hidden_layers: 2,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      intermediate_size: 8192,
      vocab_size: 200064,
      partial_rotary_factor: 0.75,
      max_position_embeddings: 131072,
      original_max_position_embeddings: 4096,
      rope_scaling: longrope,
      sliding_window: 262144,
      tie_word_embeddings: true,
    })
    expect(phi.ropes[0]).toMatchObject({ dim: 96, attentionFactor: Math.sqrt(1 + Math.log(32) / Math.log(4096)) })
    const nemo = decoderSpecOf({
      architectures: ['MistralForCausalLM'],
      hidden_size: 5120,
      num_hidden_layers: 2,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 128,
      intermediate_size: 14336,
      vocab_size: 131072,
      rope_theta: 1e6,
      sliding_window: null,
      max_position_embeddings: 131072,
    })
    expect(nemo).toMatchObject({ headDim: 128, queryHeads: 32, layerWindow: [0, 0] })
    const llama32 = decoderSpecOf({
      ...llama,
      hidden_size: 2048,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 64,
      tie_word_embeddings: true,
      rope_theta: 5e5,
      max_position_embeddings: 131072,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    })
    expect(llama32.ropes[0]!.invFreq.at(-1)).toBeCloseTo(5e5 ** (-62 / 64) / 32, 12)
    const qwen = decoderSpecOf({
      ...testConfigs['qwen2'],
      max_position_embeddings: 32768,
      rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 32768 },
    })
    expect(qwen.context).toBe(131072)
  })

  test('ids that the tokenizer does not have are padding', () => {
    expect(decoderSpecOf(llama, { vocabUsed: 259 })).toMatchObject({ vocab: 264, vocabUsed: 259 })
    expect(decoderSpecOf(llama, { vocabUsed: 999 })).toMatchObject({ vocabUsed: 264 })
    expect(decoderSpecOf(llama, { context: 50 }).context).toBe(50)
    expect(decoderSpecOf(llama, { context: 5000 }).context).toBe(128)
  })
})
