/**
 * First-generation Qwen (`QWenLMHeadModel`): fused c_attn in contiguous thirds, `intermediate_size` counting
 * gate and up together, dynamic NTK and logn attention. In the MLP w2 is the gate, w1 the up projection.
 */
import type { DecoderSpec } from '../../contract/engine.ts'
import type { Config } from './config.ts'
import { type Architecture, refuse } from './decoder.ts'
import { everyLayer, ffn, fused, matrix, modelRules, none, query, vector } from './layout.ts'
import { plainFrequencies } from './rope.ts'

const names = {
  embed: 'transformer.wte.weight',
  finalNorm: 'transformer.ln_f.weight',
  lmHead: 'lm_head.weight',
  layer: (n: number) => `transformer.h.${n}.`,
}

/**
 * The context is what was trained (`seq_length`) unless dynamic NTK stretches it, then
 * `max_position_embeddings` of config.json, whichever is larger.
 */
function contextOf(config: Config): number {
  const trained = config.count(['seq_length', 'n_positions'], 2048)
  const most = config.count('max_position_embeddings', trained)
  return config.boolean('use_dynamic_ntk', false) ? Math.max(trained, most) : trained
}

export function qwen1(config: Config, context: number | null): Architecture {
  if (!config.boolean('no_bias', true)) refuse('biases outside of c_attn (no_bias: false)')
  const hidden = config.count(['hidden_size', 'n_embd'])
  const layers = config.count(['num_hidden_layers', 'n_layer'])
  const heads = config.count(['num_attention_heads', 'n_head'])
  const headDim = config.count('kv_channels', hidden / heads)
  const dim = Math.floor(headDim * config.number('rotary_pct', 1))
  const theta = config.number(['rotary_emb_base', 'rope_theta'], 10000)
  const trained = config.count(['seq_length', 'n_positions'], 2048)
  const vocab = config.count('vocab_size')
  const most = contextOf(config)
  const decoder: DecoderSpec = {
    family: 'qwen1',
    hidden,
    layers,
    queryHeads: heads,
    kvHeads: heads,
    headDim,
    ffn: Math.floor(config.count(['intermediate_size', 'ffn_hidden_size']) / 2),
    vocab,
    vocabUsed: vocab,
    context: Math.min(context ?? most, most),
    normEps: config.number('layer_norm_epsilon', 1e-6),
    normPlusOne: false,
    activation: 'silu',
    embedScale: 1,
    attentionScale: headDim ** -0.5,
    attentionSoftcap: 0,
    logitSoftcap: 0,
    qkNorm: false,
    ropes: [{ invFreq: plainFrequencies(theta, dim), dim, attentionFactor: 1, theta }],
    layerRope: new Array<number>(layers).fill(0),
    layerWindow: new Array<number>(layers).fill(0),
    lognLength: config.boolean('use_logn_attn', false) ? trained : 0,
    ntkLength: config.boolean('use_dynamic_ntk', false) ? trained : 0,
    experts: 0,
    expertsPerToken: 0,
    expertsNormalise: false,
    layerMoe: new Array<boolean>(layers).fill(false),
  }
  const thirds = [
    query(decoder),
    { cut: 'kv' as const, width: heads * headDim },
    { cut: 'kv' as const, width: heads * headDim },
  ]
  const rules = everyLayer(decoder, (layer) => {
    const at = names.layer(layer)
    return [
      vector({ role: 'attn_norm', layer }, [{ name: `${at}ln_1.weight`, axis: none(hidden) }]),
      fused({ role: 'attn_qkv', layer }, none(hidden), `${at}attn.c_attn.weight`, thirds),
      fused({ role: 'attn_qkv_bias', layer }, null, `${at}attn.c_attn.bias`, thirds),
      matrix({ role: 'attn_o', layer }, query(decoder), [{ name: `${at}attn.c_proj.weight`, axis: none(hidden) }]),
      vector({ role: 'ffn_norm', layer }, [{ name: `${at}ln_2.weight`, axis: none(hidden) }]),
      matrix({ role: 'ffn_gate_up', layer }, none(hidden), [
        { name: `${at}mlp.w2.weight`, axis: ffn(decoder.ffn) },
        { name: `${at}mlp.w1.weight`, axis: ffn(decoder.ffn) },
      ]),
      matrix({ role: 'ffn_down', layer }, ffn(decoder.ffn), [{ name: `${at}mlp.c_proj.weight`, axis: none(hidden) }]),
    ]
  })
  return { decoder, rules: [...modelRules(decoder, config.boolean('tie_word_embeddings', false), names), ...rules] }
}
