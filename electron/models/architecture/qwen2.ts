/** Qwen2 and Qwen2.5: Llama with biases on q, k and v only. */
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, layerWindows, tied } from './decoder.ts'
import { attentionRules, denseRules, everyLayer, modelRules, preNormRules } from './layout.ts'

/** Qwen's sliding window: only when switched on, and only from layer `max_window_layers` up. */
export function qwenWindows(config: Config, layers: number): number[] {
  if (!config.boolean('use_sliding_window', false)) return new Array<number>(layers).fill(0)
  const from = config.number('max_window_layers', 28)
  return layerWindows(config, layers, (layer) => layer >= from)
}

export function qwen2(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'qwen2' })
  const decoder = { ...base, layerWindow: qwenWindows(config, base.layers) }
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, { qkvBias: true }),
    ...denseRules(decoder, layer),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
