/** One way to place a model on some devices: shares, splits, memory, speed; no advice yet. */
import type { RankSplit, WireType } from '../contract/engine.ts'
import type { Predicted } from '../contract/plan.ts'
import type { Seat } from './devices.ts'
import { type KvDtype, type Memory, memoryOf, type PlanModel, type Weights } from './model.ts'
import { type PlanLink, speedOf } from './speed.ts'
import { splitsOf } from './split.ts'

export interface LayoutOptions {
  context: number
  sequences: number
  weights: Weights
  kv: KvDtype
  wire: WireType
  links: readonly PlanLink[]
  /** given by the user: taken as they are, even where memory speaks against them */
  shares: readonly number[] | null
}

export interface Layout {
  seats: readonly Seat[]
  shares: number[]
  splits: RankSplit[]
  memory: Memory[]
  predicted: Predicted
  /** bytes missing on the tightest device; 0 when it fits */
  shortBy: number
  options: LayoutOptions
}

/** Bytes missing per device: ranks on one device share its memory. */
function missing(seats: readonly Seat[], memory: readonly Memory[]): Map<string, number> {
  const needed = new Map<string, number>()
  seats.forEach((seat, rank) => needed.set(seat.place, (needed.get(seat.place) ?? 0) + memory[rank]!.total))
  const usable = new Map(seats.map((seat) => [seat.place, seat.usable]))
  return new Map([...needed].map(([place, bytes]) => [place, bytes - usable.get(place)!]))
}

/**
 * Shares by speed, then by what fits: a device that is too small gives part of its share to the others, until all
 * fit or there is nothing left to give.
 */
export function layOut(model: PlanModel, seats: readonly Seat[], options: LayoutOptions): Layout {
  let shares = options.shares ? [...options.shares] : seats.map((seat) => seat.speed)
  const make = (given: number[]): Layout => {
    const splits = splitsOf(model.decoder, given, model.lowBit?.group)
    const memory = splits.map((split, rank) => memoryOf(model, split, rank, options))
    const shortBy = Math.max(0, ...missing(seats, memory).values())
    return {
      seats,
      shares: given,
      splits,
      memory,
      shortBy,
      predicted: speedOf(model, seats, splits, options),
      options,
    }
  }
  let layout = make(shares)
  if (options.shares) return layout
  let best = layout
  for (let round = 0; round < 12 && layout.shortBy > 0 && seats.length > 1; round++) {
    const short = missing(seats, layout.memory)
    const scaled = shares.map((share, rank) => {
      const over = short.get(seats[rank]!.place)!
      if (over <= 0) return share
      const { weights, kv } = layout.memory[rank]!
      const ranksHere = seats.filter((seat) => seat.place === seats[rank]!.place).length
      return share * Math.max(0, 1 - (1.02 * over) / ranksHere / (weights + kv))
    })
    if (scaled.every((share) => share === 0)) break
    shares = scaled
    layout = make(shares)
    if (layout.shortBy < best.shortBy) best = layout
  }
  return best
}
