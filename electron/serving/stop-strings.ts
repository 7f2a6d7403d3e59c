/** Stop strings, matched on text across token boundaries. */

export interface StopPush {
  /** text that can no longer be part of a stop string */
  text: string
  /** the stop string that was completed; nothing is emitted after it */
  stop: string | null
}

export interface StopMatcher {
  push(chunk: string): StopPush
  /** the text still held back, when the answer ends without a stop string */
  end(): string
}

/** For each length of a matched prefix, the length of its longest proper border (Knuth–Morris–Pratt). */
function borders(pattern: string): number[] {
  const table = [0]
  let length = 0
  for (let i = 1; i < pattern.length; i++) {
    while (length > 0 && pattern[i] !== pattern[length]) length = table[length - 1]!
    if (pattern[i] === pattern[length]) length++
    table.push(length)
  }
  return table
}

/**
 * A matcher for non-empty `stops`. The match that is complete first wins, as if the text came one character at a
 * time; of several complete at the same character, the longest. Text is held back only while the tail of what came
 * is a prefix of a stop string. How the text is cut into chunks changes nothing.
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const patterns = stops.map((stop) => ({ stop, table: borders(stop), matched: 0 }))
  let held = ''

  return {
    push(chunk) {
      held += chunk
      if (patterns.length === 0) {
        const text = held
        held = ''
        return { text, stop: null }
      }
      for (let at = held.length - chunk.length; at < held.length; at++) {
        let longest: string | null = null
        for (const pattern of patterns) {
          const { stop, table } = pattern
          while (pattern.matched > 0 && stop[pattern.matched] !== held[at])
            pattern.matched = table[pattern.matched - 1]!
          if (stop[pattern.matched] === held[at]) pattern.matched++
          if (pattern.matched < stop.length) continue
          if (longest === null || stop.length > longest.length) longest = stop
        }
        if (longest !== null) {
          const text = held.slice(0, at + 1 - longest.length)
          held = ''
          return { text, stop: longest }
        }
      }
      const keep = patterns.reduce((most, pattern) => Math.max(most, pattern.matched), 0)
      const text = held.slice(0, held.length - keep)
      held = held.slice(held.length - keep)
      return { text, stop: null }
    },
    end() {
      const text = held
      held = ''
      return text
    },
  }
}
