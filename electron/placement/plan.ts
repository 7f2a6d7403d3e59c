/** The plan: a layout, whether it fits, what would, what else could be done, and why, in sentences. */
import { LanyardError } from '../contract/errors.ts'
import type { WireType } from '../contract/engine.ts'
import type { Plan } from '../contract/plan.ts'
import { alternativesOf, explanationOf, gigabytes, warningsOf, wouldFitOf } from './advice.ts'
import { type PlanDevice, type Seat, seatsOf } from './devices.ts'
import { type Layout, type LayoutOptions, layOut } from './layout.ts'
import { type KvDtype, kvBlocksOf, kvBlockSize, type PlanModel, type Weights } from './model.ts'
import { type PlanLink, wireBytes } from './speed.ts'

export interface PlanInput {
  model: PlanModel
  /** in rank order: the first one gets rank 0, which schedules */
  devices: readonly PlanDevice[]
  /** relative, one per device; absent: by measured speed and memory */
  shares?: readonly number[]
  /** longest sequence; absent: up to 8192 positions, fewer where memory is short */
  context?: number
  /** sequences at once; absent: up to 8, fewer where memory is short */
  maxSequences?: number
  /** absent: as stored */
  weights?: Weights
  /** absent: f32 where the weights are, else bf16 */
  kvDtype?: KvDtype
  /** absent: f32 where the weights are, else bf16 */
  wire?: WireType
  /** what is known of the network between the machines */
  links?: readonly PlanLink[]
}

const defaultContext = 8192

function invalid(message: string, hint: string): LanyardError {
  return new LanyardError('plan_invalid', message, hint)
}

function check(input: PlanInput): void {
  const { devices, shares, context, maxSequences, model } = input
  if (devices.length === 0) throw invalid('No device was chosen.', 'Choose at least one machine.')
  if (shares) {
    if (shares.length !== devices.length) {
      throw invalid(
        `${shares.length} shares were given for ${devices.length} devices.`,
        'Give one share per device, for example 3:1.',
      )
    }
    if (shares.some((share) => !Number.isFinite(share) || share < 0) || shares.every((share) => share === 0)) {
      throw invalid(
        'Shares must be numbers of 0 or more, at least one above 0.',
        'Give one share per device, for example 3:1.',
      )
    }
  }
  if (context !== undefined && (!Number.isSafeInteger(context) || context < 1))
    throw invalid(`A context of ${context} is not possible.`, 'Give a whole number of tokens.')
  if (context !== undefined && context > model.decoder.context) {
    throw invalid(
      `${model.name} reads at most ${model.decoder.context} tokens; ${context} were asked for.`,
      `Choose a context of ${model.decoder.context} or less.`,
    )
  }
  if (maxSequences !== undefined && (!Number.isSafeInteger(maxSequences) || maxSequences < 1 || maxSequences > 1024)) {
    throw invalid(`${maxSequences} sequences at once are not possible.`, 'Give a whole number from 1 to 1024.')
  }
}

/** Contexts and sequence counts to try, the most generous first; only what the user did not fix varies. */
function candidates(input: PlanInput): { context: number; sequences: number }[] {
  const most = Math.min(input.model.decoder.context, defaultContext)
  const contexts =
    input.context !== undefined ? [input.context] : [most, 4096, 2048, 1024].filter((n, i) => i === 0 || n < most)
  const counts = input.maxSequences !== undefined ? [input.maxSequences] : [8, 4, 2, 1]
  return contexts.flatMap((context) => counts.map((sequences) => ({ context, sequences })))
}

/** The first candidate that fits and, as long as there is a choice, leaves half of what the weights leave. */
function choose(input: PlanInput, seats: readonly Seat[]): Layout {
  const weights = input.weights ?? 'stored'
  const f32 = weights === 'f32' || (weights === 'stored' && input.model.storedBytes === 4)
  const base: Omit<LayoutOptions, 'context' | 'sequences'> = {
    weights,
    kv: input.kvDtype ?? (f32 ? 'f32' : 'bf16'),
    wire: input.wire ?? (weights === 'f32' ? 'f32' : 'bf16'),
    links: input.links ?? [],
    shares: input.shares ?? null,
  }
  const tried = candidates(input)
  let fitting: Layout | null = null
  for (const option of tried) {
    const layout = layOut(input.model, seats, { ...base, ...option })
    if (layout.shortBy > 0) continue
    fitting ??= layout
    const modest = layout.memory.every(
      (memory, rank) => memory.kv <= (seats[rank]!.usable - memory.weights - memory.workspace) / 2,
    )
    if (modest) return layout
  }
  // None fits: the answer says by how much for what was asked, or for the least when nothing was.
  return fitting ?? layOut(input.model, seats, { ...base, ...tried.at(-1)! })
}

/**
 * Plans a deployment. A model that does not fit gives a plan with `fits: false`, what is missing, and what would fit;
 * `requireFit` turns that into an error. Throws `plan_invalid`.
 */
export function makePlan(input: PlanInput): Plan {
  check(input)
  const seats = seatsOf(input.devices)
  const layout = choose(input, seats)
  const { model } = input
  const { options } = layout
  const work = layout.splits.map((split, rank) => {
    const sizes = model.sizesOf(split, rank)
    return sizes.attention + sizes.ffn + sizes.head
  })
  const allWork = work.reduce((sum, values) => sum + values, 0)
  const alternatives = alternativesOf(input, layout, (devices) =>
    choose({ ...input, shares: undefined }, seatsOf(devices)),
  )
  return {
    modelId: model.id,
    modelName: model.name,
    ranks: layout.splits.map((split, rank) => {
      const seat = seats[rank]!
      return {
        rank,
        machineId: seat.machineId,
        machineName: seat.machineName,
        device: seat.device,
        share: work[rank]! / allWork,
        split,
        memory: { ...layout.memory[rank]!, free: seat.free },
      }
    }),
    context: options.context,
    maxSequences: options.sequences,
    weights: options.weights,
    kvDtype: options.kv,
    kvBlocks: kvBlocksOf(options.context, options.sequences),
    kvBlockSize,
    wire: options.wire,
    fits: layout.shortBy === 0,
    shortBy: layout.shortBy,
    wouldFit: layout.shortBy === 0 ? [] : wouldFitOf(model, layout),
    predicted: layout.predicted,
    bytesPerToken: bytesPerToken(model, layout),
    alternatives,
    explanation: explanationOf(model, layout),
    warnings: warningsOf(model, layout, alternatives),
  }
}

/** Two all-reduces per layer; each rank sends its partial sums to every other. */
function bytesPerToken(model: PlanModel, layout: Layout): number {
  const { decoder } = model
  return 2 * decoder.layers * decoder.hidden * wireBytes[layout.options.wire] * (layout.seats.length - 1)
}

/** Throws `plan_too_big` for a plan that does not fit: by how much, and what would. */
export function requireFit(plan: Plan): void {
  if (plan.fits) return
  throw new LanyardError(
    'plan_too_big',
    `${plan.modelName} does not fit: ${gigabytes(plan.shortBy)} are missing on the tightest device.`,
    plan.wouldFit.length > 0 ? plan.wouldFit.join(' ') : 'Add machines, or choose a smaller model.',
  )
}
