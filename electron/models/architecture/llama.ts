/** Llama 1 to 3.3 and the many checkpoints published in its form. */
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, refuse, tied } from './decoder.ts'
import { attentionRules, denseRules, everyLayer, modelRules, preNormRules } from './layout.ts'

export function llama(config: Config, context: number | null): Architecture {
  if (config.boolean('mlp_bias', false)) refuse('biases in the feed-forward layers (mlp_bias)')
  const decoder = baseDecoder(config, context, { family: 'llama' })
  const bias = config.boolean('attention_bias', false)
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, { qkvBias: bias, outputBias: bias }),
    ...denseRules(decoder, layer),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
