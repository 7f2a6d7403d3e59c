/** Gemma 2: soft-caps on attention scores and logits, every other layer (from the first) slides. */
import type { Config } from './config.ts'
import { type Architecture, layerWindows } from './decoder.ts'
import { gemmaDecoder, gemmaRules } from './gemma.ts'

export function gemma2(config: Config, context: number | null): Architecture {
  const base = gemmaDecoder(config, context, 'gemma2', 10000)
  const decoder = {
    ...base,
    attentionSoftcap: config.number('attn_logit_softcapping', 0),
    logitSoftcap: config.number('final_logit_softcapping', 0),
    layerWindow: layerWindows(config, base.layers, (layer) => layer % 2 === 0),
  }
  return { decoder, rules: gemmaRules(config, decoder) }
}
