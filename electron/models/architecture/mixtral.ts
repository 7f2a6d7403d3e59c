/** Mixtral: Mistral's attention, experts w1 (gate), w3 (up), w2 (down); top-k of the softmax, renormalised. */
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, layerWindows, tied } from './decoder.ts'
import { attentionRules, everyLayer, expertRules, modelRules, preNormRules } from './layout.ts'

export function mixtral(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'mixtral', theta: 1e6 })
  const decoder = {
    ...base,
    layerWindow: layerWindows(config, base.layers, () => true),
    experts: config.count('num_local_experts', 8),
    expertsPerToken: config.count('num_experts_per_tok', 2),
    expertsNormalise: true,
    layerMoe: new Array<boolean>(base.layers).fill(true),
  }
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, {}),
    ...expertRules(decoder, layer, 'block_sparse_moe', ['w1', 'w3', 'w2']),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
