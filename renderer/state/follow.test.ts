import { expect, test } from 'vitest'
import { followsAfter } from './follow.ts'

const at = (offset: number, size = 1000, viewport = 400) => ({ offset, size, viewport })

test('one pixel of scrolling back stops following, even near the end', () => {
  expect(followsAfter(true, at(600), at(599))).toBe(false)
})

test('scrolling down to the end follows again, and not before', () => {
  expect(followsAfter(false, at(100), at(300))).toBe(false)
  expect(followsAfter(false, at(500), at(580))).toBe(true)
  expect(followsAfter(false, at(600), at(590))).toBe(false)
})

test('new text does not stop following, nor does text that became shorter', () => {
  expect(followsAfter(true, at(600), at(600, 1200))).toBe(true)
  expect(followsAfter(true, at(600), at(550, 950))).toBe(true)
})

test('reading back stays where it is while text grows', () => {
  expect(followsAfter(false, at(300), at(300, 1400))).toBe(false)
})
