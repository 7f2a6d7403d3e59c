/** Qwen3 dense: no biases, RMSNorm on every q and k head before the rotation. */
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, tied } from './decoder.ts'
import { attentionRules, denseRules, everyLayer, modelRules, preNormRules } from './layout.ts'
import { qwenWindows } from './qwen2.ts'

export function qwen3(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'qwen3' })
  const decoder = { ...base, qkNorm: true, layerWindow: qwenWindows(config, base.layers) }
  const bias = config.boolean('attention_bias', false)
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, { qkvBias: bias, outputBias: bias }),
    ...denseRules(decoder, layer),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
