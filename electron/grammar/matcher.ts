/**
 * Where in a grammar a text can be. A place is a set of (state, stack of states to come back to), closed over what reads
 * nothing. Stacks and places are numbered, each once, and the way from a place by a byte is remembered, so that texts
 * that go the same ways cost table look-ups; a place's number is also the key under which its mask is kept.
 */
import type { Automaton } from './automaton.ts'

export const dead = -1

/** Places after which everything is forgotten: deep or odd texts must not fill the memory. */
const mostPlaces = 100_000

interface Place {
  /** state, stack; pairs in ascending order */
  items: Int32Array
  /** the text may end here */
  whole: boolean
  next: Int32Array | null
}

export interface Matcher {
  readonly start: number
  /** `dead` when the byte cannot come */
  step(place: number, byte: number): number
  isWhole(place: number): boolean
  /**
   * Forgets all places but `kept`, when there are too many. Returns their new numbers, or null when nothing changed.
   */
  tidy(kept: readonly number[]): Map<number, number> | null
}

export function createMatcher({ states, rules }: Automaton): Matcher {
  let backs: number[] = [0]
  let parents: number[] = [0]
  let stacks = new Map<number, number>()
  let places: Place[] = []
  let numbers = new Map<string, number>()
  const lastOf = new Map(rules.map(({ last }, n) => [last, n]))
  /** From these nothing but the rule's end can come: a call before one needs no way back of its own. */
  const isEnd = states.map(
    (state, n) => lastOf.has(n) && state.reads.length + state.free.length + state.calls.length === 0,
  )

  function push(back: number, parent: number): number {
    // Coming back only to leave at once: the last call of a rule takes its caller's place.
    if (isEnd[back]) return parent
    const key = back * 0x4000000 + parent
    let stack = stacks.get(key)
    if (stack === undefined) {
      stack = backs.push(back) - 1
      parents.push(parent)
      stacks.set(key, stack)
    }
    return stack
  }

  /** A place's number for where its items can get without reading; `pairs` is used up. */
  function intern(pairs: number[]): number {
    const seen = new Set<number>()
    const reading: number[] = []
    let whole = false
    const add = (state: number, stack: number): void => {
      const key = state * 0x4000000 + stack
      if (seen.has(key)) return
      seen.add(key)
      pairs.push(state, stack)
    }
    const seeds = pairs.splice(0)
    for (let n = 0; n < seeds.length; n += 2) add(seeds[n]!, seeds[n + 1]!)
    for (let n = 0; n < pairs.length; n += 2) {
      const at = pairs[n]!
      const stack = pairs[n + 1]!
      const state = states[at]!
      if (state.reads.length > 0) reading.push(at * 0x4000000 + stack)
      for (const next of state.free) add(next, stack)
      for (const [rule, back] of state.calls) add(rules[rule]!.first, push(back, stack))
      if (!lastOf.has(at)) continue
      if (stack === 0) whole = true
      else add(backs[stack]!, parents[stack]!)
    }
    if (reading.length === 0 && !whole) return dead
    reading.sort((a, b) => a - b)
    const key = `${whole ? 'w' : ''}${reading.join()}`
    const known = numbers.get(key)
    if (known !== undefined) return known
    const items = new Int32Array(reading.length * 2)
    for (const [n, item] of reading.entries()) {
      items[2 * n] = Math.floor(item / 0x4000000)
      items[2 * n + 1] = item % 0x4000000
    }
    const number = places.push({ items, whole, next: null }) - 1
    numbers.set(key, number)
    return number
  }

  /** Where each byte leads. Bytes between two borders of the edges lead to one place. */
  function tableOf({ items }: Place): Int32Array {
    const borders = new Set([0])
    for (let n = 0; n < items.length; n += 2) {
      const { reads } = states[items[n]!]!
      for (let edge = 0; edge < reads.length; edge += 3) borders.add(reads[edge]!).add(reads[edge + 1]! + 1)
    }
    const table = new Int32Array(256)
    const sorted = [...borders].sort((a, b) => a - b)
    for (const [n, byte] of sorted.entries()) {
      if (byte > 255) break
      const pairs: number[] = []
      for (let at = 0; at < items.length; at += 2) {
        const { reads } = states[items[at]!]!
        for (let edge = 0; edge < reads.length; edge += 3) {
          if (reads[edge]! <= byte && byte <= reads[edge + 1]!) pairs.push(reads[edge + 2]!, items[at + 1]!)
        }
      }
      table.fill(pairs.length === 0 ? dead : intern(pairs), byte, sorted[n + 1] ?? 256)
    }
    return table
  }

  const first = (): number => intern([rules[0]!.first, 0])
  let start = first()

  return {
    get start() {
      return start
    },
    step(place, byte) {
      const here = places[place]!
      return (here.next ??= tableOf(here))[byte]!
    },
    isWhole: (place) => places[place]!.whole,
    tidy(kept) {
      if (places.length < mostPlaces) return null
      const chains = kept.map((place) => {
        const { items } = places[place]!
        return Array.from({ length: items.length / 2 }, (_, n) => {
          const chain: number[] = []
          for (let stack = items[2 * n + 1]!; stack !== 0; stack = parents[stack]!) chain.push(backs[stack]!)
          return { state: items[2 * n]!, chain: chain.toReversed() }
        })
      })
      const wholes = kept.map((place) => places[place]!.whole)
      backs = [0]
      parents = [0]
      stacks = new Map()
      places = []
      numbers = new Map()
      start = first()
      return new Map(
        kept.map((place, n) => {
          const pairs = chains[n]!.flatMap(({ state, chain }) => [
            state,
            chain.reduce((stack, back) => push(back, stack), 0),
          ])
          const number = intern(pairs)
          // Closing again adds nothing but what was there, except the end, which no item stands for.
          return [place, wholes[n] && !places[number]?.whole ? wholeLike(number) : number]
        }),
      )
    },
  }

  function wholeLike(place: number): number {
    const items = place === dead ? new Int32Array() : places[place]!.items
    return places.push({ items, whole: true, next: null }) - 1
  }
}
