/**
 * Gemma 3, text only: q/k norms, five local layers to one global, each kind with its own rope. The multimodal
 * checkpoints keep the text model's facts in `text_config`, many of them left at the class's defaults.
 */
import { type Config, configOf } from './config.ts'
import { type Architecture, layerWindows } from './decoder.ts'
import { gemmaDecoder, gemmaRules } from './gemma.ts'
import { ropeOf, ropeParameters } from './rope.ts'

/** transformers' Gemma3TextConfig, for keys that published files leave out. */
const classDefaults = {
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  vocab_size: 262208,
  max_position_embeddings: 131072,
  sliding_window: 4096,
}

export function gemma3(given: Config, context: number | null): Architecture {
  const inner = given.object('text_config')
  const config = configOf(inner ? { ...classDefaults, ...inner } : given.raw)
  // One object of rope_parameters per kind of layer is transformers 5's form; gemmaDecoder reads the global one.
  const global = ropeParameters(config, 1e6, 'full_attention')
  const base = gemmaDecoder(config, context, 'gemma3', 1e6)
  const pattern = config.number(['sliding_window_pattern', '_sliding_window_pattern'], 6)
  const layerWindow = layerWindows(config, base.layers, (layer) => (layer + 1) % pattern !== 0)
  const nested = config.object('rope_parameters')
  const local = nested?.['sliding_attention']
    ? ropeParameters(config, 1e4, 'sliding_attention')
    : { theta: config.number('rope_local_base_freq', 1e4), type: 'default', scaling: {} }
  const decoder = {
    ...base,
    qkNorm: true,
    // A checkpoint may have been trained without caps; where config.json names them they count.
    attentionSoftcap: config.number('attn_logit_softcapping', 0),
    logitSoftcap: config.number('final_logit_softcapping', 0),
    ropes: [ropeOf(config, global, base.headDim, base.context), ropeOf(config, local, base.headDim, base.context)],
    layerRope: layerWindow.map((window) => (window > 0 ? 1 : 0)),
    layerWindow,
  }
  return { decoder, rules: gemmaRules(config, decoder) }
}
