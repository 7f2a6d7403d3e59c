/** What most families share: the decoder spec from the usual keys of config.json. */
import type { DecoderSpec } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { Config } from './config.ts'
import type { TensorRule } from './layout.ts'
import { contextOf, ropeOf, ropeParameters } from './rope.ts'

/** A family's file turns config.json into this. */
export interface Architecture {
  decoder: DecoderSpec
  rules: TensorRule[]
}

/** @param context the longest sequence to be served; null: as long as the model allows */
export type Family = (config: Config, context: number | null) => Architecture

export interface DecoderDefaults {
  family: string
  theta?: number
  /** tie_word_embeddings when config.json is silent */
  tied?: boolean
}

/** Activation names as transformers has them; anything but SiLU and tanh-GELU is refused. */
export function activationOf(config: Config, keys: string[], fallback: string): 'silu' | 'gelu_tanh' {
  const name = config.string(keys, fallback)
  if (name === 'silu' || name === 'swish') return 'silu'
  if (name === 'gelu_pytorch_tanh' || name === 'gelu_new') return 'gelu_tanh'
  throw new LanyardError(
    'model_unsupported',
    `The activation "${name}" is not supported.`,
    'Supported are SiLU and GELU (tanh).',
  )
}

/**
 * Per layer: the window, 0 = all. `layer_types` of config.json wins; else `slides` decides.
 */
export function layerWindows(config: Config, layers: number, slides: (layer: number) => boolean): number[] {
  const window = config.has('sliding_window') ? config.number('sliding_window') : 0
  const types = config.list('layer_types')
  return Array.from({ length: layers }, (_, layer) => {
    const sliding = types ? types[layer] === 'sliding_attention' : slides(layer)
    return sliding ? window : 0
  })
}

/** The spec of a pre-norm, SwiGLU, single-rope decoder. Families change what differs. */
export function baseDecoder(config: Config, context: number | null, defaults: DecoderDefaults): DecoderSpec {
  const hidden = config.count('hidden_size')
  const layers = config.count('num_hidden_layers')
  const queryHeads = config.count('num_attention_heads')
  const kvHeads = config.count('num_key_value_heads', queryHeads)
  if (queryHeads % kvHeads !== 0) {
    throw new LanyardError(
      'model_config_mismatch',
      `config.json: ${queryHeads} attention heads cannot share ${kvHeads} key-value heads evenly.`,
      'Check num_attention_heads and num_key_value_heads.',
    )
  }
  if (!config.has('head_dim') && hidden % queryHeads !== 0) {
    throw new LanyardError(
      'model_config_mismatch',
      `config.json: hidden_size ${hidden} is not a multiple of ${queryHeads} heads, and there is no head_dim.`,
      'Check hidden_size and num_attention_heads.',
    )
  }
  const headDim = config.count('head_dim', hidden / queryHeads)
  const parameters = ropeParameters(config, defaults.theta ?? 10000)
  const partial = parameters.scaling['partial_rotary_factor'] ?? config.number('partial_rotary_factor', 1)
  const dim = Math.floor(headDim * Number(partial))
  const most = contextOf(config, parameters)
  const served = Math.min(context ?? most, most)
  const vocab = config.count('vocab_size')
  return {
    family: defaults.family,
    hidden,
    layers,
    queryHeads,
    kvHeads,
    headDim,
    ffn: config.count('intermediate_size'),
    vocab,
    vocabUsed: vocab,
    context: served,
    normEps: config.number(['rms_norm_eps', 'layer_norm_epsilon'], 1e-6),
    normPlusOne: false,
    activation: activationOf(config, ['hidden_act'], 'silu'),
    embedScale: 1,
    attentionScale: headDim ** -0.5,
    attentionSoftcap: 0,
    logitSoftcap: 0,
    qkNorm: false,
    ropes: [ropeOf(config, parameters, dim, served)],
    layerRope: new Array<number>(layers).fill(0),
    layerWindow: new Array<number>(layers).fill(0),
    lognLength: 0,
    ntkLength: 0,
    experts: 0,
    expertsPerToken: 0,
    expertsNormalise: false,
    layerMoe: new Array<boolean>(layers).fill(false),
  }
}

/** Whether lm_head is the embedding table. */
export function tied(config: Config, fallback = false): boolean {
  return config.boolean('tie_word_embeddings', fallback)
}

/** A feature of config.json that changes the arithmetic and that the engine does not have. */
export function refuse(feature: string): never {
  throw new LanyardError(
    'model_unsupported',
    `This checkpoint uses ${feature}, which is not supported.`,
    'Choose another checkpoint of this model.',
  )
}
