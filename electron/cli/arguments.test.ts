import { describe, expect, test } from 'vitest'
import { formatBytes, parseCount, parseDevices, parsePort, parseShares } from './arguments.ts'

describe('a device list', () => {
  test('names machines, or machines with devices', () => {
    expect(parseDevices('a, b')).toEqual([
      { machine: 'a', devices: [] },
      { machine: 'b', devices: [] },
    ])
    expect(parseDevices('m1:gpu0+gpu3,this:cpu*2')).toEqual([
      {
        machine: 'm1',
        devices: [
          { kind: 'cuda', index: 0 },
          { kind: 'cuda', index: 3 },
        ],
      },
      {
        machine: 'this',
        devices: [
          { kind: 'cpu', index: 0 },
          { kind: 'cpu', index: 1 },
        ],
      },
    ])
  })

  test.each(['m1:gpu', 'm1:tpu0', 'm1:cpu*0', 'm1:cpu*99', ':cpu', 'm1:gpu0+'])(
    '%s is refused with the right form',
    (text) => {
      expect(() => parseDevices(text)).toThrow(
        expect.objectContaining({ code: 'usage', hint: expect.stringContaining('gpu0+gpu1') as string }) as Error,
      )
    },
  )
})

test('shares are one number per rank, not all zero', () => {
  expect(parseShares('3:1')).toEqual([3, 1])
  expect(parseShares('1:0:0.5')).toEqual([1, 0, 0.5])
  for (const text of ['a:1', '-1:2', '0:0', '1:']) expect(() => parseShares(text)).toThrow()
})

test('counts and ports are whole numbers in range', () => {
  expect(parseCount('12')).toBe(12)
  expect(parsePort('0')).toBe(0)
  for (const text of ['0', '-1', '1.5', 'x', '']) expect(() => parseCount(text)).toThrow()
  for (const text of ['65536', '-1', 'x']) expect(() => parsePort(text)).toThrow()
})

test('bytes read as on a disk label', () => {
  expect([0, 999, 1000, 123_456, 9_999_500_000].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '123 kB',
    '10.0 GB',
  ])
})
