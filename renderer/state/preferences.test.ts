import { expect, test } from 'vitest'
import { parsePreferences } from './preferences.ts'

test('stored preferences are read row by row; what is invalid falls back to its default', () => {
  const read = parsePreferences(
    '{"theme":"dark","language":"klingon","textSize":"large","unknown":1,"chatParametersOpen":true}',
  )
  expect(read).toMatchObject({
    theme: 'dark',
    language: 'system',
    textSize: 'large',
    motion: 'system',
    machinesAs: 'cards',
    chatParametersOpen: true,
  })
})

test('text that is no object gives the defaults', () => {
  const defaults = parsePreferences(null)
  for (const text of ['', 'not json', '3', 'null', '[]']) expect(parsePreferences(text)).toEqual(defaults)
})
