/**
 * Cutting the query heads over ranks. A KV group (one KV head and the query heads that read it) is the natural unit;
 * with more ranks than groups, or groups that do not divide by the shares, a group is cut and its KV head held by
 * both ranks. Which is better is a sum that can be searched exhaustively: heads are few.
 */
import type { RankSplit } from '../contract/engine.ts'

type Range = RankSplit['queryHeads']

/** KV heads that query heads start … start + count − 1 read. */
export function kvRange(query: Range, group: number): Range {
  if (query.count === 0) return { start: Math.floor(query.start / group), count: 0 }
  const start = Math.floor(query.start / group)
  return { start, count: Math.floor((query.start + query.count - 1) / group) - start + 1 }
}

/** Work of a run of heads in units of one head's matrix: q rows and o columns, plus K and V rows for each KV head. */
function cost(start: number, count: number, group: number): number {
  return 2 * count + 2 * kvRange({ start, count }, group).count
}

/** How much longer than the best cut another may take that follows the shares better. */
const slack = 1.02

/**
 * Ranges of query heads, one per rank in order, so that the slowest rank is done earliest; among cuts that are as
 * good (within 2 %) the one closest to the shares. A rank with share 0 gets none; others may get none too.
 * @param shares relative speeds, not all zero
 */
export function cutHeads(queryHeads: number, kvHeads: number, shares: readonly number[]): Range[] {
  const group = queryHeads / kvHeads
  const sum = shares.reduce((total, share) => total + share, 0)
  const time = (rank: number, start: number, count: number) => {
    if (count === 0) return 0
    return shares[rank]! > 0 ? (cost(start, count, group) * sum) / shares[rank]! : Infinity
  }
  const limit =
    search(queryHeads, shares.length, (rank, start, count) => time(rank, start, count), Math.max).value * slack
  const chosen = search(
    queryHeads,
    shares.length,
    (rank, start, count) => {
      if (time(rank, start, count) > limit) return Infinity
      return (count - (queryHeads * shares[rank]!) / sum) ** 2
    },
    (a, b) => a + b,
  )
  let start = 0
  return chosen.counts.map((count) => {
    const range = { start, count }
    start += count
    return range
  })
}

/**
 * The counts per rank, adding up to `heads`, with the least combined price. `combine` is max or +, both of which only
 * grow: so the best way to reach a rank and a head is part of the best way on.
 */
function search(
  heads: number,
  ranks: number,
  price: (rank: number, start: number, count: number) => number,
  combine: (a: number, b: number) => number,
): { value: number; counts: number[] } {
  let best = new Array<number>(heads + 1).fill(Infinity)
  best[0] = 0
  const choices: number[][] = []
  for (let rank = 0; rank < ranks; rank++) {
    const next = new Array<number>(heads + 1).fill(Infinity)
    const choice = new Array<number>(heads + 1).fill(0)
    for (let end = 0; end <= heads; end++) {
      for (let start = 0; start <= end; start++) {
        if (best[start] === Infinity) continue
        const value = combine(best[start]!, price(rank, start, end - start))
        if (value < next[end]!) {
          next[end] = value
          choice[end] = end - start
        }
      }
    }
    best = next
    choices.push(choice)
  }
  const counts = new Array<number>(ranks).fill(0)
  for (let rank = ranks - 1, end = heads; rank >= 0; rank--) {
    counts[rank] = choices[rank]![end]!
    end -= counts[rank]!
  }
  return { value: best[heads]!, counts }
}
