import { expect, test } from 'vitest'
import { sentenceEnd } from './sentences.ts'

test('a sentence ends at its stop, not in a number or a name', () => {
  expect(sentenceEnd('It takes 3.5')).toBe(0)
  expect(sentenceEnd('Done. And th')).toBe('Done.'.length)
  expect(sentenceEnd('One. Two! Thr')).toBe('One. Two!'.length)
  expect(sentenceEnd('好。再')).toBe(2)
  expect(sentenceEnd('- a point\n- ano')).toBe('- a point\n'.length)
})
