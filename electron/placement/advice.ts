/** What the planner says in words: what would fit, what else is possible, why the plan is as it is. */
import type { Plan } from '../contract/plan.ts'
import { type Seat, seatsOf } from './devices.ts'
import { type Layout, layOut } from './layout.ts'
import type { PlanModel, Weights } from './model.ts'
import type { PlanInput } from './plan.ts'

/** Bytes for people: 1.5 GB, 340 MB. */
export function gigabytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(bytes >= 1e10 ? 0 : 1)} GB`
  return `${Math.max(1, Math.round(bytes / 1e6))} MB`
}

const percent = (fraction: number) => `${Math.round(fraction * 100)} %`
const rate = (tokensPerSecond: number) =>
  `${tokensPerSecond >= 10 ? Math.round(tokensPerSecond) : tokensPerSecond.toFixed(1)} tokens/s`
const titleOf = (seat: Seat) =>
  `${seat.machineName} (${seat.device.kind === 'cpu' ? 'CPU' : `GPU ${seat.device.index}`})`
const list = (words: string[]) =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

/** The longest context, a multiple of 256, with which the layout fits; 0 when none does. */
function fittingContext(model: PlanModel, layout: Layout): number {
  let low = 0
  let high = Math.floor(layout.options.context / 256)
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    const tried = layOut(model, layout.seats, { ...layout.options, context: middle * 256 })
    if (tried.shortBy === 0) low = middle
    else high = middle - 1
  }
  return low * 256
}

/** One sentence for each change that alone makes it fit; else how much more memory is needed. */
export function wouldFitOf(model: PlanModel, layout: Layout): string[] {
  const { options, seats } = layout
  const sentences: string[] = []
  const fitsWith = (change: Partial<Layout['options']>) => layOut(model, seats, { ...options, ...change }).shortBy === 0
  if (options.shares && fitsWith({ shares: null }))
    sentences.push('It fits when the shares follow memory and speed instead of being given.')
  const context = fittingContext(model, layout)
  if (context > 0) sentences.push(`It fits with a context of ${context} tokens instead of ${options.context}.`)
  if (options.sequences > 1 && fitsWith({ sequences: 1 }))
    sentences.push(`It fits with one sequence at a time instead of ${options.sequences}.`)
  const smaller: { weights: Weights; note: string }[] = [
    { weights: 'int8', note: 'about half of bf16, nearly the same answers' },
    { weights: 'int4', note: 'about 30 % of bf16, answers slightly worse' },
  ]
  if (!options.weights.startsWith('int4')) {
    const found = smaller.find(({ weights }) => weights !== options.weights && fitsWith({ weights }))
    if (found) sentences.push(`It fits with ${found.weights} weights (${found.note}).`)
  }
  if (options.kv !== 'int8' && fitsWith({ kv: 'int8' }))
    sentences.push('It fits with the KV cache in int8 (about half of bf16, nearly the same answers).')
  const needed = layout.memory.reduce((sum, memory) => sum + memory.total, 0)
  const usable = [...new Map(seats.map((seat) => [seat.place, seat.usable])).values()].reduce(
    (sum, bytes) => sum + bytes,
    0,
  )
  const more = Math.max(layout.shortBy, needed - usable)
  sentences.push(
    `As planned it needs ${gigabytes(needed)}; the chosen devices have ${gigabytes(usable)} to give. Another device with ${gigabytes(more)} or more free would do.`,
  )
  return sentences
}

/** Devices of fewer machines: each machine alone, then the fastest machines together. */
function subsets(input: PlanInput): { title: string; devices: PlanInput['devices'] }[] {
  const byMachine = [...Map.groupBy(input.devices, (device) => device.machineId).values()]
  const speed = (devices: PlanInput['devices']) => seatsOf(devices).reduce((sum, seat) => sum + seat.speed, 0)
  const sorted = byMachine.toSorted((a, b) => speed(b) - speed(a))
  const found: { title: string; devices: PlanInput['devices'] }[] = []
  if (byMachine.length > 1) {
    for (const devices of sorted.slice(0, 3)) found.push({ title: `Only ${devices[0]!.machineName}`, devices })
    for (let count = 2; count < sorted.length; count++) {
      const chosen = sorted.slice(0, count)
      found.push({ title: list(chosen.map((devices) => devices[0]!.machineName)), devices: chosen.flat() })
    }
  }
  for (const devices of sorted) {
    const places = new Set(devices.map((device) => `${device.kind}${device.index}`))
    if (devices.length > 1 && byMachine.length === 1) {
      const title =
        places.size < devices.length ? 'One rank with all cores' : `Only ${titleOf(seatsOf([devices[0]!])[0]!)}`
      found.push({ title, devices: [devices[0]!] })
    }
  }
  return found
}

/**
 * What else could be done with the same machines, each planned as if it had been asked for. Fastest first.
 * @param planOn the layout on other devices
 */
export function alternativesOf(
  input: PlanInput,
  layout: Layout,
  planOn: (devices: PlanInput['devices']) => Layout,
): Plan['alternatives'] {
  const { context, sequences } = layout.options
  return subsets(input)
    .map(({ title, devices }) => {
      const other = planOn(devices)
      const fits = other.shortBy === 0
      const less = [
        other.options.context < context ? `a context of ${other.options.context}` : '',
        other.options.sequences < sequences ? `${other.options.sequences} at once` : '',
      ].filter(Boolean)
      const note = fits
        ? `${rate(other.predicted.tokensPerSecond)} instead of ${rate(layout.predicted.tokensPerSecond)}${less.length > 0 ? `, with ${list(less)}` : ''}`
        : `${gigabytes(other.shortBy)} of memory are missing`
      return { title, fits, tokensPerSecond: other.predicted.tokensPerSecond, note }
    })
    .sort((a, b) => Number(b.fits) - Number(a.fits) || b.tokensPerSecond - a.tokensPerSecond)
}

export function explanationOf(model: PlanModel, layout: Layout): string[] {
  const { seats, splits, options, predicted } = layout
  const d = model.decoder
  const sentences: string[] = []
  if (seats.length === 1) {
    sentences.push(`${model.name} runs whole on ${titleOf(seats[0]!)}.`)
  } else {
    const sum = layout.shares.reduce((total, share) => total + share, 0)
    const parts = seats.map((seat, rank) => `${titleOf(seat)} ${percent(layout.shares[rank]! / sum)}`)
    const why = options.shares
      ? 'The shares were given'
      : 'Shares follow how fast each device reads weights, and its memory'
    sentences.push(`${why}: ${list(parts)}.`)
    const heads = splits.map((split) => split.queryHeads.count)
    sentences.push(
      `The ${d.queryHeads} attention heads are cut ${heads.join(' + ')}, the ${d.ffn} feed-forward columns ${splits.map((split) => split.ffn.count).join(' + ')}.`,
    )
    const held = splits.reduce((total, split) => total + split.kvHeads.count, 0)
    if (held > 1 && d.latent)
      sentences.push(`All heads read the same keys and values, so each device with heads keeps them whole.`)
    else if (held > d.kvHeads)
      sentences.push(
        `${held - d.kvHeads} of the ${d.kvHeads} key-value heads are held by two devices, so that the heads divide better.`,
      )
    sentences.push(
      `Each token needs ${2 * d.layers} exchanges between the ranks: ${predicted.allReduceMs.toFixed(1)} ms beside ${predicted.computeMs.toFixed(1)} ms of reading weights.`,
    )
  }
  const kv = layout.memory.reduce((total, memory) => total + memory.kv, 0)
  sentences.push(
    `${gigabytes(kv)} are kept for ${options.sequences} ${options.sequences === 1 ? 'sequence' : 'sequences'} of up to ${options.context} tokens, keys and values in ${options.kv}.`,
  )
  return sentences
}

export function warningsOf(model: PlanModel, layout: Layout, alternatives: Plan['alternatives']): string[] {
  const { seats, splits, predicted } = layout
  const warnings: string[] = []
  splits.forEach((split, rank) => {
    if (split.queryHeads.count === 0 && split.ffn.count === 0)
      warnings.push(`${titleOf(seats[rank]!)} gets nothing to do (rank ${rank}).`)
    else if (split.queryHeads.count === 0)
      warnings.push(`${titleOf(seats[rank]!)} gets no attention heads, only feed-forward columns (rank ${rank}).`)
  })
  const faster = alternatives.find((other) => other.fits && other.tokensPerSecond > predicted.tokensPerSecond * 1.05)
  if (faster) {
    warnings.push(
      `${faster.title} is predicted to be faster: ${rate(faster.tokensPerSecond)} instead of ${rate(predicted.tokensPerSecond)}.`,
    )
  }
  if (layout.shortBy === 0) {
    seats.forEach((seat, rank) => {
      const here = seats.reduce((sum, other, i) => sum + (other.place === seat.place ? layout.memory[i]!.total : 0), 0)
      if (here > 0.9 * seat.usable && seats.findIndex((other) => other.place === seat.place) === rank) {
        warnings.push(`${titleOf(seat)} will be nearly full: ${gigabytes(here)} of ${gigabytes(seat.free)} free.`)
      }
    })
  }
  if (new Set(seats.map((seat) => seat.device.kind)).size > 1)
    warnings.push('CPUs and GPUs are mixed: every step waits for the slowest device.')
  if (model.decoder.context > layout.options.context * 4)
    warnings.push(
      `The model could read ${model.decoder.context} tokens; ${layout.options.context} are planned. Ask for more with a larger context.`,
    )
  return warnings
}
