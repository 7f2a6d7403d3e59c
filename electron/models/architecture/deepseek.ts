/**
 * DeepSeek V2 and V3 (also R1, Moonlight, Kimi K2): attention over a latent that all heads share, a few dense layers before
 * those with experts, shared experts that every token goes through. A layer for guessing several tokens at once (V3's last
 * one) is not read.
 */
import type { DecoderSpec } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, type Family, refuse, tied } from './decoder.ts'
import {
  type Axis,
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
  vector,
} from './layout.ts'
import { ropeOf, ropeParameters, yarnScale } from './rope.ts'

type DeepseekFamily = 'deepseek_v2' | 'deepseek_v3'

/** The published code norms both latents with this, whatever rms_norm_eps says. */
const latentNormEps = 1e-6

function attention(config: Config, base: DecoderSpec): Partial<DecoderSpec> {
  const rank = config.count('kv_lora_rank')
  const rotated = config.count('qk_rope_head_dim')
  const plain = config.count('qk_nope_head_dim')
  const value = config.count('v_head_dim')
  if (rank % 16 !== 0 || value % 16 !== 0) refuse(`a latent of ${rank} and heads of ${value} values`)
  const parameters = ropeParameters(config, 10000)
  const { factor, mscale_all_dim: mscale } = parameters.scaling
  // Not of YaRN alone: any scaling that names it.
  const stretched = typeof factor === 'number' && typeof mscale === 'number' && mscale !== 0
  const scale = stretched ? yarnScale(factor, mscale) : 1
  return {
    kvHeads: 1,
    headDim: rank + rotated,
    attentionScale: (plain + rotated) ** -0.5 * scale ** 2,
    ropes: [
      {
        ...ropeOf(config, parameters, rotated, base.context),
        interleaved: config.boolean('rope_interleave', true),
      },
    ],
    latent: {
      rank,
      queryRank: config.has('q_lora_rank') ? config.count('q_lora_rank') : 0,
      plain,
      value,
      normEps: latentNormEps,
    },
  }
}

function mixture(config: Config, family: DeepseekFamily, base: DecoderSpec): Partial<DecoderSpec> {
  const experts = config.count('n_routed_experts')
  const method = config.string('topk_method', family === 'deepseek_v3' ? 'noaux_tc' : 'greedy')
  if (!['greedy', 'group_limited_greedy', 'noaux_tc'].includes(method)) refuse(`topk_method ${method}`)
  const scoring = config.string('scoring_func', family === 'deepseek_v3' ? 'sigmoid' : 'softmax')
  if (scoring !== 'sigmoid' && scoring !== 'softmax') refuse(`scoring_func ${scoring}`)
  const groups = method === 'greedy' ? 1 : config.count('n_group', 1)
  const groupsUsed = method === 'greedy' ? 1 : config.count('topk_group', groups)
  if (experts % groups !== 0 || groupsUsed > groups) {
    throw new LanyardError(
      'model_config_mismatch',
      `config.json: ${experts} experts cannot be chosen from ${groupsUsed} of ${groups} groups.`,
      'Check n_routed_experts, n_group and topk_group.',
    )
  }
  const normalise = config.boolean('norm_topk_prob', family === 'deepseek_v3')
  const factor = config.number('routed_scaling_factor', family === 'deepseek_v3' ? 2.5 : 1)
  const first = config.has('first_k_dense_replace') ? config.number('first_k_dense_replace') : 0
  const every = config.count('moe_layer_freq', 1)
  return {
    ffn: config.count('moe_intermediate_size'),
    experts,
    expertsPerToken: config.count('num_experts_per_tok'),
    expertsNormalise: normalise,
    routing: {
      sigmoid: scoring === 'sigmoid',
      groups,
      groupsUsed,
      groupBest: method === 'noaux_tc' ? Math.min(2, experts / groups) : 1,
      // V2 scales weights only where it leaves them as they are.
      factor: normalise && method !== 'noaux_tc' ? 1 : factor,
    },
    layerMoe: Array.from({ length: base.layers }, (_, layer) => layer >= first && layer % every === 0),
  }
}

/** What is made of the hidden state is one matrix: queries or their latent, then the key. */
function attentionRules(d: DecoderSpec, layer: number): TensorRule[] {
  const { rank, queryRank, plain, value } = d.latent!
  const at = `${huggingFaceNames.layer(layer)}self_attn.`
  const heads = (width: number): Axis => ({ cut: 'query', width: d.queryHeads * width })
  // Whole on every rank that has query heads.
  const whole = (width: number): Axis => ({ cut: 'kv', width })
  const queries = heads(plain + d.headDim - rank)
  const key = { name: `${at}kv_a_proj_with_mqa.weight`, axis: whole(d.headDim) }
  const rules = [
    matrix({ role: 'attn_qkv', layer }, none(d.hidden), [
      queryRank > 0
        ? { name: `${at}q_a_proj.weight`, axis: whole(queryRank) }
        : { name: `${at}q_proj.weight`, axis: queries },
      key,
    ]),
    vector({ role: 'attn_latent_norm', layer }, [{ name: `${at}kv_a_layernorm.weight`, axis: whole(rank) }]),
    matrix({ role: 'attn_kv_up', layer }, none(rank), [{ name: `${at}kv_b_proj.weight`, axis: heads(plain + value) }]),
    matrix({ role: 'attn_o', layer }, heads(value), [{ name: `${at}o_proj.weight`, axis: none(d.hidden) }]),
  ]
  if (queryRank > 0) {
    rules.push(
      vector({ role: 'attn_q_latent_norm', layer }, [{ name: `${at}q_a_layernorm.weight`, axis: whole(queryRank) }]),
      matrix({ role: 'attn_q_up', layer }, none(queryRank), [{ name: `${at}q_b_proj.weight`, axis: queries }]),
    )
  }
  return rules
}

function mixtureRules(config: Config, d: DecoderSpec, layer: number): TensorRule[] {
  const at = `${huggingFaceNames.layer(layer)}mlp.`
  const rules = expertRules(d, layer, 'mlp', ['gate_proj', 'up_proj', 'down_proj'])
  if (config.string('topk_method', d.family === 'deepseek_v3' ? 'noaux_tc' : 'greedy') === 'noaux_tc') {
    rules.push(
      vector({ role: 'router_correction', layer }, [
        { name: `${at}gate.e_score_correction_bias`, axis: none(d.experts) },
      ]),
    )
  }
  const shared = config.has('n_shared_experts') ? config.number('n_shared_experts') : 0
  if (shared > 0) rules.push(...gatedRules(d, 'shared', layer, `${at}shared_experts.`, shared * d.ffn))
  return rules
}

export function deepseek(family: DeepseekFamily): Family {
  return (config, context): Architecture => {
    if (config.boolean('attention_bias', false)) refuse('biases in attention (attention_bias)')
    if (config.boolean('mlp_bias', false)) refuse('biases in the feed-forward layers (mlp_bias)')
    const base = baseDecoder(config, context, { family })
    const moe = config.has('n_routed_experts') ? mixture(config, family, base) : {}
    const decoder = { ...base, ...attention(config, base), ...moe }
    const rules = everyLayer(decoder, (layer) => [
      ...preNormRules(decoder, layer),
      ...attentionRules(decoder, layer),
      ...(decoder.layerMoe[layer]
        ? mixtureRules(config, decoder, layer)
        : denseRules(decoder, layer, config.count('intermediate_size'))),
    ])
    return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
  }
}
