/** Dividing whole things by shares. */
import type { RankSplit } from '../contract/engine.ts'

type Range = RankSplit['ffn']

/**
 * Largest remainder: `units` whole units, as close to the shares as whole numbers go. Shares are relative and may be
 * zero, but not all of them. Among equal remainders the earlier rank gets the unit.
 */
export function largestRemainder(units: number, shares: readonly number[]): number[] {
  const sum = shares.reduce((total, share) => total + share, 0)
  const exact = shares.map((share) => (units * share) / sum)
  const counts = exact.map(Math.floor)
  let left = units - counts.reduce((total, count) => total + count, 0)
  const order = shares
    .map((_, rank) => rank)
    .filter((rank) => shares[rank]! > 0)
    .sort((a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!) || a - b)
  for (let i = 0; left > 0; i = (i + 1) % order.length, left--) counts[order[i]!]!++
  return counts
}

/**
 * Ranges, one after the other, that cover `width` in whole units; where `width` is not a multiple of the unit, the
 * last range that is not empty takes the shorter rest.
 */
export function rangesOf(width: number, unit: number, shares: readonly number[]): Range[] {
  let start = 0
  return largestRemainder(Math.ceil(width / unit), shares).map((count) => {
    const end = Math.min(start + count * unit, width)
    const range = { start, count: end - start }
    start = end
    return range
  })
}

/**
 * The FFN unit: the widest of 32, 16, 8 that still gives every rank some two dozen units, so that rounding costs a few
 * percent at most; wide units keep kernels whole. Where `group` columns share a scale (0: none), the group or the half
 * or quarter of it takes their place, down to 32: a group cut in two has its scale on both ranks, but a cut within 32
 * columns could not be kept in few bits.
 */
export function ffnUnit(width: number, ranks: number, group = 0): number {
  const units = group > 0 && group % 32 === 0 ? [group, 128, 64, 32].filter((unit) => group % unit === 0) : [32, 16, 8]
  const fitting = units.filter((unit) => width % unit === 0)
  return fitting.find((unit) => width / unit >= 24 * ranks) ?? fitting.at(-1) ?? (width >= 8 * ranks ? 8 : 1)
}
