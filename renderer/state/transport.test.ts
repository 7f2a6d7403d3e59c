import { expect, test } from 'vitest'
import { codeFrom } from './transport.ts'

test('the one-time code is found in what people paste', () => {
  expect(codeFrom('  abc-123_X \n')).toBe('abc-123_X')
  expect(codeFrom('http://127.0.0.1:4000/?code=abc-123_X')).toBe('abc-123_X')
  expect(codeFrom('http://127.0.0.1:4000/?a=1&code=abc%20d#/chat')).toBe('abc d')
})
