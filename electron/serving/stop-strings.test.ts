import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createStopMatcher } from './stop-strings.ts'

/** The rule in plain words, over the whole text: the shortest beginning that ends with a stop string. */
function wholeText(text: string, stops: string[]): { text: string; stop: string | null } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)[0]
    if (found !== undefined) return { text: text.slice(0, end - found.length), stop: found }
  }
  return { text, stop: null }
}

function run(chunks: string[], stops: string[]): { text: string; stop: string | null; pieces: string[] } {
  const matcher = createStopMatcher(stops)
  const pieces: string[] = []
  for (const chunk of chunks) {
    const { text, stop } = matcher.push(chunk)
    pieces.push(text)
    if (stop !== null) return { text: pieces.join(''), stop, pieces }
  }
  pieces.push(matcher.end())
  return { text: pieces.join(''), stop: null, pieces }
}

// two letters make overlapping prefixes and false starts likely
const letters = fc.string({ unit: fc.constantFrom('a', 'b', '好'), maxLength: 40 })
const stopList = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '好'), minLength: 1, maxLength: 5 }), {
  maxLength: 4,
})
const cuts = fc.array(fc.nat(40), { maxLength: 10 })

function cut(text: string, at: number[]): string[] {
  const edges = [0, ...at.map((n) => Math.min(n, text.length)), text.length].sort((a, b) => a - b)
  return edges.slice(1).map((edge, i) => text.slice(edges[i], edge))
}

describe('stop strings', () => {
  test('any chunking gives what the rule gives on the whole text', () => {
    fc.assert(
      fc.property(letters, stopList, cuts, (text, stops, at) => {
        const { text: got, stop } = run(cut(text, at), stops)
        expect({ text: got, stop }).toEqual(wholeText(text, stops))
      }),
      { numRuns: 3000 },
    )
  })

  test('no more than the longest tail that is a prefix of a stop string is held back', () => {
    fc.assert(
      fc.property(letters, stopList, cuts, (text, stops, at) => {
        const matcher = createStopMatcher(stops)
        let came = ''
        let emitted = ''
        for (const chunk of cut(text, at)) {
          const { text: piece, stop } = matcher.push(chunk)
          if (stop !== null) return
          came += chunk
          emitted += piece
          const held = came.slice(emitted.length)
          const longest = Math.max(
            0,
            ...stops.flatMap((s) => [...Array(s.length).keys()].filter((n) => came.endsWith(s.slice(0, n)))),
          )
          expect(held.length).toBe(longest)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('a prefix of a stop string that turns out to be text is given later, whole', () => {
    expect(run(['Obs', 'erve', ' this'], ['Observation:']).pieces).toEqual(['', 'Observe', ' this', ''])
  })

  test('a stop string over three tokens never shows its beginning', () => {
    expect(run(['yes\n', 'Obser', 'vation', ': no'], ['\nObservation:'])).toEqual({
      text: 'yes',
      stop: '\nObservation:',
      pieces: ['yes', '', '', ''],
    })
  })

  test('the stop string that is complete first wins whatever the order of the list', () => {
    for (const stops of [
      ['cd', 'b'],
      ['b', 'cd'],
    ])
      expect(run(['abcd'], stops)).toMatchObject({ text: 'a', stop: 'b' })
  })
})
