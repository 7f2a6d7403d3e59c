/** What Gemma 2 and 3 share: scaled embeddings, (1 + w) norms, four of them per layer, GELU. */
import type { DecoderSpec } from '../../contract/engine.ts'
import { type Config, configOf } from './config.ts'
import { activationOf, baseDecoder } from './decoder.ts'
import { attentionRules, denseRules, everyLayer, modelRules, normRule, type TensorRule } from './layout.ts'

/** The decoder without windows, ropes and soft-caps, which the two generations do differently. */
export function gemmaDecoder(config: Config, context: number | null, family: string, theta: number): DecoderSpec {
  // Gemma names its activation twice, and older files carry a hidden_act that transformers ignores.
  const activation = activationOf(config, ['hidden_activation'], 'gelu_pytorch_tanh')
  const base = baseDecoder(configOf({ head_dim: 256, ...config.raw, hidden_act: 'silu' }), context, { family, theta })
  return {
    ...base,
    activation,
    normPlusOne: true,
    embedScale: Math.sqrt(base.hidden),
    attentionScale: config.number('query_pre_attn_scalar', 256) ** -0.5,
  }
}

export function gemmaRules(config: Config, decoder: DecoderSpec): TensorRule[] {
  const bias = config.boolean('attention_bias', false)
  const rules = everyLayer(decoder, (layer) => [
    normRule(decoder, 'attn_norm', layer, 'input_layernorm'),
    normRule(decoder, 'attn_post_norm', layer, 'post_attention_layernorm'),
    normRule(decoder, 'ffn_norm', layer, 'pre_feedforward_layernorm'),
    normRule(decoder, 'ffn_post_norm', layer, 'post_feedforward_layernorm'),
    ...attentionRules(decoder, layer, { qkvBias: bias, outputBias: bias }),
    ...denseRules(decoder, layer),
  ])
  return [...modelRules(decoder, config.boolean('tie_word_embeddings', true)), ...rules]
}
