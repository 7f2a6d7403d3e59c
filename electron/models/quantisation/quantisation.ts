/** How a checkpoint's weights are quantised, from `quantization_config`. What cannot be read is refused by name. */
import { LanyardError } from '../../contract/errors.ts'
import { type Config, configOf, type JsonObject } from '../architecture/config.ts'

/** What the tensors alone do not say. */
export interface Quantisation {
  kind: 'gptq' | 'awq' | 'fp8' | 'int4' | 'mxfp4'
  bits: 4 | 8
  /** columns that share a scale; 0: all of a row */
  group: number
  /** rows and columns of an FP8 block; null: a scale per row or for the whole tensor */
  block: { rows: number; cols: number } | null
  /** 1 where zero points are stored less one (GPTQ's first form) */
  zeroOffset: 0 | 1
  /** columns were quantised in another order, and `g_idx` names each one's group */
  actOrder: boolean
}

const base: Omit<Quantisation, 'kind' | 'bits'> = { group: 0, block: null, zeroOffset: 0, actOrder: false }

function refuse(what: string, hint?: string): never {
  throw new LanyardError(
    'model_unsupported',
    `This checkpoint is quantised as ${what}, which cannot be read.`,
    hint ??
      'Readable are GPTQ (4 and 8 bit), AWQ (gemm), FP8 (e4m3), compressed-tensors (float-quantized; 4 bit pack-quantized) and MXFP4; or use the unquantised checkpoint and choose int8 or int4 weights when serving it.',
  )
}

/** A whole number of columns per scale; −1 stands for the whole row. */
function groupOf(config: Config, name: string): number {
  const group = config.number('group_size', -1)
  if (group === -1) return 0
  if (!Number.isSafeInteger(group) || group < 8 || group % 8 !== 0) refuse(`${name} in groups of ${group}`)
  return group
}

function blockOf(sizes: unknown, name: string): { rows: number; cols: number } | null {
  if (sizes === null || sizes === undefined) return null
  const whole = (n: unknown): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n > 0
  if (!Array.isArray(sizes) || sizes.length !== 2 || !whole(sizes[0]) || !whole(sizes[1]))
    refuse(`${name} in blocks of ${JSON.stringify(sizes)}`)
  return { rows: sizes[0], cols: sizes[1] }
}

function gptq(config: Config): Quantisation {
  const bits = config.number('bits', 4)
  if (bits !== 4 && bits !== 8) refuse(`GPTQ with ${bits} bits`)
  const format = config.string('checkpoint_format', 'gptq')
  if (config.boolean('is_marlin_format', false)) refuse('GPTQ in the Marlin layout')
  if (format !== 'gptq' && format !== 'gptq_v2') refuse(`GPTQ in the ${format} layout`)
  return {
    ...base,
    kind: 'gptq',
    bits,
    group: groupOf(config, 'GPTQ'),
    zeroOffset: format === 'gptq' ? 1 : 0,
    actOrder: config.boolean('desc_act', false),
  }
}

function awq(config: Config): Quantisation {
  const bits = config.number(['bits', 'w_bit'], 4)
  if (bits !== 4) refuse(`AWQ with ${bits} bits`)
  const version = config.string('version', 'gemm').toLowerCase()
  if (version !== 'gemm') refuse(`AWQ in the ${version} layout`)
  return {
    ...base,
    kind: 'awq',
    bits,
    group: groupOf(configOf({ group_size: config.number(['group_size', 'q_group_size'], 128) }), 'AWQ'),
  }
}

function fp8(config: Config, name: string): Quantisation {
  const format = config.string('fmt', 'e4m3')
  if (format !== 'e4m3') refuse(`${name} in ${format}`)
  return { ...base, kind: 'fp8', bits: 8, block: blockOf(config.raw['weight_block_size'], name) }
}

function compressedTensors(config: Config): Quantisation {
  const format = config.string('format', 'unknown')
  const groups = Object.values(config.object('config_groups') ?? {})
  const weights = groups.map((group) => {
    const inner = configOf(group).object('weights')
    if (!inner) refuse(`compressed-tensors (${format}) without weights in a group`)
    return configOf({ ...inner, format: configOf(group).string('format', format) })
  })
  const schemes = new Set(weights.map((one) => JSON.stringify(one.raw)))
  const [scheme] = weights
  if (!scheme || schemes.size > 1) refuse(`compressed-tensors (${format}) with ${schemes.size} weight schemes`)
  const bits = scheme.number('num_bits', 8)
  const type = scheme.string('type', 'int')
  const strategy = scheme.string('strategy', 'tensor')
  const name = `compressed-tensors (${scheme.string('format', format)}, ${type}${bits}, ${strategy})`
  if (type === 'float' && bits === 8 && ['tensor', 'channel', 'block'].includes(strategy)) {
    return {
      ...base,
      kind: 'fp8',
      bits,
      block: strategy === 'block' ? blockOf(scheme.raw['block_structure'], name) : null,
    }
  }
  if (type === 'int' && bits === 4 && scheme.string('format', format) === 'pack-quantized') {
    if (!scheme.boolean('symmetric', true)) refuse(`${name} with zero points`)
    if (scheme.raw['actorder'] === 'group') refuse(`${name} in activation order`)
    return { ...base, kind: 'int4', bits, group: strategy === 'channel' ? 0 : groupOf(scheme, name) }
  }
  return refuse(name)
}

/** The settings in config.json, wherever this checkpoint keeps them. */
function settingsOf(config: Config): JsonObject | null {
  const inner = config.object('text_config')
  return (
    config.object('quantization_config') ??
    config.object('compression_config') ??
    (inner ? configOf(inner).object('quantization_config') : null)
  )
}

/** How the weights are stored, or null when they are not quantised. Throws `model_unsupported`. */
export function quantisationOf(config: Config): Quantisation | null {
  const settings = settingsOf(config)
  if (!settings) return null
  const own = configOf(settings)
  const method = own.string('quant_method', 'unknown').toLowerCase()
  switch (method) {
    case 'gptq':
      return gptq(own)
    case 'awq':
      return awq(own)
    case 'fp8':
    case 'fbgemm_fp8':
      return fp8(own, method)
    case 'compressed-tensors':
      return compressedTensors(own)
    case 'mxfp4':
      return { ...base, kind: 'mxfp4', bits: 4, group: 32 }
    case 'bitsandbytes':
      return refuse(
        'bitsandbytes',
        'Use the unquantised checkpoint of this model and choose int8 or int4 weights when serving it: that is what bitsandbytes does on load.',
      )
    default:
      return refuse(method)
  }
}

/** A word or two for people, where an unquantised model has its dtype. */
export function quantisationName({ kind, bits }: Quantisation): string {
  return kind === 'gptq' || kind === 'awq' ? `${kind} int${bits}` : kind
}

/**
 * Bytes of one value in the memory of a rank that keeps weights as stored: few bits with a scale (f16; f32 for floats) and,
 * but for `int4`, an f16 zero point per group of up to 128 columns; bf16 where the groups of neighbouring columns differ.
 */
export function heldBytes(how: Quantisation): number {
  const group = wholeColumns(how) || 128
  const held = [128, 64, 32].find((columns) => group % columns === 0)
  if (how.actOrder || held === undefined) return 2
  const factors = how.kind === 'int4' ? 2 : 4
  return how.bits / 8 + factors / held
}

/** Columns that had better stay on one rank; 0: any. */
export function wholeColumns(how: Quantisation): number {
  return how.block?.cols ?? how.group
}
