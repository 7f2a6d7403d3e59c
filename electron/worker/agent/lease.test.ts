import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLease } from './lease.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('it expires when nobody has held it for its time, counted anew after each holder', () => {
  let expired = 0
  const lease = createLease(1000, () => {
    expired++
  })
  vi.advanceTimersByTime(900)
  const first = lease.hold()
  const second = lease.hold()
  vi.advanceTimersByTime(5000)
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  vi.advanceTimersByTime(5000)
  expect(expired).toBe(0)
  second[Symbol.dispose]()
  vi.advanceTimersByTime(999)
  expect(expired).toBe(0)
  vi.advanceTimersByTime(1)
  expect(expired).toBe(1)
})

test('cancelled, it never expires', () => {
  let expired = 0
  const lease = createLease(1000, () => {
    expired++
  })
  const held = lease.hold()
  lease.cancel()
  held[Symbol.dispose]()
  vi.advanceTimersByTime(5000)
  expect(expired).toBe(0)
})

test('the first holder may be awaited for a shorter time', () => {
  let expired = 0
  const lease = createLease(1000, () => expired++, 100)
  const held = lease.hold()
  vi.advanceTimersByTime(500)
  held[Symbol.dispose]()
  vi.advanceTimersByTime(500)
  expect(expired).toBe(0)
  createLease(1000, () => expired++, 100)
  vi.advanceTimersByTime(100)
  expect(expired).toBe(1)
})
