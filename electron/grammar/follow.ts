/** Following a text through a grammar, token by token, with the mask of what may come next. */
import { automatonOf } from './automaton.ts'
import { maskOf } from './masks.ts'
import type { Mask } from './masks.ts'
import { createMatcher, dead } from './matcher.ts'
import { parseGrammar } from './parse.ts'
import type { TokenBytes, Vocabulary } from './vocabulary.ts'

/** Masks that are kept, per grammar: at 150 000 ids a full one has 19 kB. */
const keptMasks = 1000

/** A grammar, ready to be followed by any number of texts. */
export interface Format {
  /** `stopIds` end the text where the grammar lets it end. */
  begin(stopIds: readonly number[]): Following
}

export interface Following {
  /** What the next token may be. `whole`: nothing, for the text is at its end; `stuck`: no token can go on. */
  next(): Mask | 'whole' | 'stuck'
  /** Whether the token fits; if it does, the text goes on behind it. */
  take(id: number): boolean
  end(): void
}

/** Throws FormatError. */
export function prepareFormat(ebnf: string, tokens: TokenBytes, vocabulary: Vocabulary): Format {
  const matcher = createMatcher(automatonOf(parseGrammar(ebnf)))
  const begun = new Set<{ place: number }>()
  /** bits of the tokens of a place, without the stop ids; null: there is none */
  let masks = new Map<number, { bits: Int32Array; mask: Mask | null }>()

  function masksOf(place: number): { bits: Int32Array; mask: Mask | null } {
    let found = masks.get(place)
    if (found) {
      masks.delete(place)
    } else {
      const bits = new Int32Array(vocabulary.words)
      vocabulary.allow(matcher, place, bits)
      found = { bits, mask: maskOf(bits) }
      if (masks.size >= keptMasks) masks.delete(masks.keys().next().value!)
    }
    masks.set(place, found)
    return found
  }

  function tidy(): void {
    const all = [...begun].filter(({ place }) => place !== dead)
    const moved = matcher.tidy(all.map(({ place }) => place))
    if (!moved) return
    masks = new Map()
    for (const one of all) one.place = moved.get(one.place)!
  }

  return {
    begin(stopIds) {
      const at = { place: matcher.start, isOver: false }
      begun.add(at)
      return {
        next() {
          if (at.isOver) return 'whole'
          if (at.place === dead) return 'stuck'
          tidy()
          const { bits, mask } = masksOf(at.place)
          if (!matcher.isWhole(at.place)) return mask ?? 'stuck'
          if (mask === null || stopIds.length === 0) return 'whole'
          const withEnd = bits.slice()
          for (const id of stopIds) withEnd[id >> 5]! |= 1 << (id & 31)
          return maskOf(withEnd)!
        },
        take(id) {
          if (at.isOver || at.place === dead) return false
          if (stopIds.includes(id) && matcher.isWhole(at.place)) {
            at.isOver = true
            return true
          }
          const start = id === 0 ? 0 : (tokens.ends[id - 1] ?? 0)
          const end = tokens.ends[id] ?? 0
          if (end <= start) return false
          let place = at.place
          for (let n = start; n < end && place !== dead; n++) place = matcher.step(place, tokens.bytes[n]!)
          if (place === dead) return false
          at.place = place
          return true
        },
        end: () => void begun.delete(at),
      }
    },
  }
}
