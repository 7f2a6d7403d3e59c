/**
 * Rotary position embedding as numbers. Formulas as in transformers 5 `modeling_rope_utils.py`; every rule that
 * does not depend on the length of a running sequence ends up in `invFreq`.
 */
import type { Rope } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import { type Config, type JsonObject, isObject } from './config.ts'

/** A rope's parameters, from either form of config.json. */
export interface RopeParameters {
  theta: number
  /** default, linear, dynamic, llama3, yarn, longrope */
  type: string
  scaling: JsonObject
}

/**
 * Reads `rope_parameters` (transformers 5; optionally one object per layer type) or `rope_theta` with
 * `rope_scaling`. `layerType` picks the entry where there are several.
 */
export function ropeParameters(config: Config, defaultTheta: number, layerType?: string): RopeParameters {
  let scaling = config.object('rope_parameters')
  if (scaling && layerType && isObject(scaling[layerType])) scaling = scaling[layerType]
  const theta = scaling?.['rope_theta']
  scaling ??= config.object('rope_scaling') ?? {}
  const type = scaling['rope_type'] ?? scaling['type'] ?? 'default'
  return {
    theta: typeof theta === 'number' ? theta : config.number('rope_theta', defaultTheta),
    type: type === 'su' ? 'longrope' : String(type),
    scaling,
  }
}

function optional(scaling: JsonObject, key: string): number | null {
  const value = scaling[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function required(scaling: JsonObject, key: string): number {
  const value = optional(scaling, key)
  if (value === null) {
    throw new LanyardError(
      'model_config_mismatch',
      `config.json: the rope scaling has no number for ${key}.`,
      'Check that config.json belongs to this checkpoint and is complete.',
    )
  }
  return value
}

/** theta^(−2i/dim) for i < dim/2. */
export function plainFrequencies(theta: number, dim: number): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => theta ** ((-2 * i) / dim))
}

/** Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, a smooth ramp between. */
function llama3Frequencies(plain: number[], scaling: JsonObject): number[] {
  const factor = required(scaling, 'factor')
  const low = required(scaling, 'low_freq_factor')
  const high = required(scaling, 'high_freq_factor')
  const original = required(scaling, 'original_max_position_embeddings')
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency
    if (wavelength > original / low) return frequency / factor
    if (wavelength < original / high) return frequency
    const smooth = (original / wavelength - low) / (high - low)
    return ((1 - smooth) * frequency) / factor + smooth * frequency
  })
}

/** YaRN's factor on attention for a scaling of the context. */
export const yarnScale = (scale: number, mscale = 1) => (scale <= 1 ? 1 : 0.1 * mscale * Math.log(scale) + 1)

/** YaRN (arXiv 2309.00071): interpolated below, extrapolated above, a linear ramp over dimensions between. */
function yarn(parameters: RopeParameters, dim: number, contextOfConfig: number): Rope {
  const { theta, scaling } = parameters
  const original = optional(scaling, 'original_max_position_embeddings') ?? contextOfConfig
  const factor = required(scaling, 'factor')
  const mscale = optional(scaling, 'mscale')
  const mscaleAll = optional(scaling, 'mscale_all_dim')
  const attentionFactor =
    optional(scaling, 'attention_factor') ??
    (mscale && mscaleAll ? yarnScale(factor, mscale) / yarnScale(factor, mscaleAll) : yarnScale(factor))
  const dimensionOf = (rotations: number) =>
    (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta))
  let low = dimensionOf(optional(scaling, 'beta_fast') ?? 32)
  let high = dimensionOf(optional(scaling, 'beta_slow') ?? 1)
  if (scaling['truncate'] !== false) {
    low = Math.floor(low)
    high = Math.ceil(high)
  }
  low = Math.max(low, 0)
  high = Math.min(high, dim - 1)
  if (low === high) high += 0.001
  const invFreq = plainFrequencies(theta, dim).map((frequency, i) => {
    const ramp = Math.min(Math.max((i - low) / (high - low), 0), 1)
    return (frequency / factor) * ramp + frequency * (1 - ramp)
  })
  return { invFreq, dim, attentionFactor, theta }
}

/** Phi-3's LongRoPE: one factor per frequency, one list for short and one for long contexts. */
function longrope(parameters: RopeParameters, dim: number, config: Config, context: number): Rope {
  const { theta, scaling } = parameters
  const most = config.count('max_position_embeddings')
  const original =
    optional(scaling, 'original_max_position_embeddings') ?? config.number('original_max_position_embeddings', most)
  const key = context > original ? 'long_factor' : 'short_factor'
  const factors = scaling[key]
  if (!Array.isArray(factors) || factors.length !== dim / 2) {
    const count = Array.isArray(factors) ? factors.length : 0
    throw new LanyardError(
      'model_config_mismatch',
      `config.json: ${key} has ${count} numbers, but ${dim / 2} frequencies are rotated.`,
      'Check that config.json belongs to this checkpoint.',
    )
  }
  const factor = optional(scaling, 'factor') ?? most / original
  const attentionFactor =
    optional(scaling, 'attention_factor') ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)))
  const invFreq = plainFrequencies(theta, dim).map((frequency, i) => frequency / Number(factors[i]))
  return { invFreq, dim, attentionFactor, theta }
}

/**
 * The table for one kind of layer.
 * @param dim rotated values per head
 * @param context the longest sequence to be served: LongRoPE picks its factors by it
 */
export function ropeOf(config: Config, parameters: RopeParameters, dim: number, context: number): Rope {
  const { theta, type, scaling } = parameters
  const plain = plainFrequencies(theta, dim)
  const rope = (invFreq: number[]): Rope => ({ invFreq, dim, attentionFactor: 1, theta })
  switch (type) {
    case 'default':
    case 'mrope':
    // Dynamic NTK changes nothing up to max_position_embeddings, and no more is offered as context.
    case 'dynamic':
      return rope(plain)
    case 'linear': {
      const factor = required(scaling, 'factor')
      return rope(plain.map((frequency) => frequency / factor))
    }
    case 'llama3':
      return rope(llama3Frequencies(plain, scaling))
    case 'yarn':
      return yarn(parameters, dim, config.count('max_position_embeddings'))
    case 'longrope':
      return longrope(parameters, dim, config, context)
    default:
      throw new LanyardError(
        'model_unsupported',
        `The rope scaling "${type}" is not supported.`,
        'Supported are: none, linear, dynamic, llama3, yarn, longrope.',
      )
  }
}

/** The longest context that the scaling makes of `max_position_embeddings`. */
export function contextOf(config: Config, parameters: RopeParameters): number {
  const most = config.count('max_position_embeddings', 2048)
  if (parameters.type !== 'yarn') return most
  const original = optional(parameters.scaling, 'original_max_position_embeddings') ?? most
  return Math.max(most, Math.floor(original * required(parameters.scaling, 'factor')))
}
