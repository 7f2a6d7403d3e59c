/** Mistral 7B, Nemo, Small: Llama's layout, with a sliding window in the first version. */
import type { Config } from './config.ts'
import { type Architecture, layerWindows } from './decoder.ts'
import { llama } from './llama.ts'

export function mistral(config: Config, context: number | null): Architecture {
  const { decoder, rules } = llama(config, context)
  return {
    decoder: { ...decoder, family: 'mistral', layerWindow: layerWindows(config, decoder.layers, () => true) },
    rules,
  }
}
