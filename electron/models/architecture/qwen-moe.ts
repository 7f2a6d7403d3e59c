/**
 * Qwen2-MoE and Qwen3-MoE. `ffn` of the spec is the width of one expert; dense layers and Qwen2's shared expert
 * are wider, and ranks cut them in the same proportion.
 */
import type { DecoderSpec } from '../../contract/engine.ts'
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, tied } from './decoder.ts'
import {
  attentionRules,
  denseRules,
  everyLayer,
  expertRules,
  gatedRules,
  huggingFaceNames,
  matrix,
  modelRules,
  none,
  preNormRules,
  type TensorRule,
} from './layout.ts'
import { qwenWindows } from './qwen2.ts'

function moeDecoder(config: Config, base: DecoderSpec): DecoderSpec {
  const experts = config.count(['num_experts', 'num_local_experts'])
  const step = config.count('decoder_sparse_step', 1)
  const dense = config.list('mlp_only_layers') ?? []
  return {
    ...base,
    ffn: config.count('moe_intermediate_size'),
    layerWindow: qwenWindows(config, base.layers),
    experts,
    expertsPerToken: config.count('num_experts_per_tok'),
    expertsNormalise: config.boolean('norm_topk_prob', false),
    layerMoe: Array.from({ length: base.layers }, (_, layer) => !dense.includes(layer) && (layer + 1) % step === 0),
  }
}

function sharedExpertRules(config: Config, d: DecoderSpec, layer: number): TensorRule[] {
  const width = config.count('shared_expert_intermediate_size')
  const mlp = `${huggingFaceNames.layer(layer)}mlp.`
  return [
    ...gatedRules(d, 'shared', layer, `${mlp}shared_expert.`, width),
    matrix({ role: 'shared_gate', layer }, none(d.hidden), [
      { name: `${mlp}shared_expert_gate.weight`, axis: none(1) },
    ]),
  ]
}

function qwenMoe(
  config: Config,
  decoder: DecoderSpec,
  biases: { qkvBias: boolean; outputBias: boolean },
  shared: boolean,
): Architecture {
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, biases),
    ...(decoder.layerMoe[layer]
      ? [
          ...expertRules(decoder, layer, 'mlp', ['gate_proj', 'up_proj', 'down_proj']),
          ...(shared ? sharedExpertRules(config, decoder, layer) : []),
        ]
      : denseRules(decoder, layer, config.count('intermediate_size'))),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}

export function qwen2Moe(config: Config, context: number | null): Architecture {
  const decoder = moeDecoder(config, baseDecoder(config, context, { family: 'qwen2_moe' }))
  return qwenMoe(config, decoder, { qkvBias: config.boolean('qkv_bias', true), outputBias: false }, true)
}

export function qwen3Moe(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'qwen3_moe' })
  const bias = config.boolean('attention_bias', false)
  return qwenMoe(config, { ...moeDecoder(config, base), qkNorm: true }, { qkvBias: bias, outputBias: bias }, false)
}
