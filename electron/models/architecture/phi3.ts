/** Phi-3 and Phi-4-mini: qkv and gate/up fused in the file, LongRoPE, partial rotation in Phi-4-mini. */
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, layerWindows, tied } from './decoder.ts'
import {
  attentionRules,
  everyLayer,
  ffn,
  fused,
  huggingFaceNames,
  matrix,
  modelRules,
  none,
  preNormRules,
} from './layout.ts'

export function phi3(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'phi3' })
  const decoder = { ...base, layerWindow: layerWindows(config, base.layers, () => true) }
  const width = ffn(decoder.ffn)
  const rules = everyLayer(decoder, (layer) => {
    const mlp = `${huggingFaceNames.layer(layer)}mlp.`
    return [
      ...preNormRules(decoder, layer),
      ...attentionRules(decoder, layer, { fused: true }),
      fused({ role: 'ffn_gate_up', layer }, none(decoder.hidden), `${mlp}gate_up_proj.weight`, [width, width]),
      matrix({ role: 'ffn_down', layer }, width, [{ name: `${mlp}down_proj.weight`, axis: none(decoder.hidden) }]),
    ]
  })
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
