import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createReasoningSplitter, opensThought } from './reasoning.ts'

/** The split of a text that comes in these pieces. */
function split(pieces: readonly string[], inside = false): { reasoning: string; content: string } {
  const splitter = createReasoningSplitter(inside)
  const all = { reasoning: '', content: '' }
  for (const part of [...pieces.map((piece) => splitter.push(piece)), splitter.end()]) {
    all.reasoning += part.reasoning
    all.content += part.content
  }
  return all
}

describe('thoughts', () => {
  test.each([
    ['<think>why</think>so', false, 'why', 'so'],
    ['\n<think>\nwhy\n</think>\n\nso', false, '\nwhy\n', '\n\nso'],
    ['why</think>so', true, 'why', 'so'],
    ['<think>never ends </thin', false, 'never ends </thin', ''],
    ['plain <think>no</think>', false, '', 'plain <think>no</think>'],
    ['<thin air', false, '', '<thin air'],
    ['<th', false, '', '<th'],
    ['a </think> b </think> c', true, 'a ', ' b </think> c'],
  ])('%j', (text, inside, reasoning, content) => {
    expect(split([text], inside)).toEqual({ reasoning, content })
  })

  test('are split the same however the text comes', () => {
    const piece = fc.constantFrom('<think>', '</think>', '<', 'think', '>', '/', ' ', 'a', '</thi')
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, inside) => {
        expect(split([...pieces.join('')], inside)).toEqual(split([pieces.join('')], inside))
      }),
    )
  })

  test('what cannot be a tag any more is given at once', () => {
    const splitter = createReasoningSplitter(false)
    expect(splitter.push('<think>abc</')).toEqual({ reasoning: 'abc', content: '' })
    expect(splitter.push('b')).toEqual({ reasoning: '</b', content: '' })
    expect(splitter.thinks).toBe(true)
    expect(opensThought('<|im_start|>assistant\n<think>\n')).toBe(true)
    expect(opensThought('<think>\n\n</think>\n\n')).toBe(false)
  })
})
