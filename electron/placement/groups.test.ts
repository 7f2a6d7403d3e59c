/** Cuts of low-bit models: along groups of a common scale, and counted in the bytes they are kept in. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ffnUnit, rangesOf } from './apportion.ts'
import { matrixBytes, type PlanModel } from './model.ts'

describe('FFN columns of a low-bit model', () => {
  test('are covered once, and no cut lies within 32 columns of a group', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(32, 64, 128, 256),
        fc.integer({ min: 1, max: 600 }),
        fc.array(fc.double({ min: 0.05, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 }),
        (group, blocks, shares) => {
          const width = blocks * 32
          const unit = ffnUnit(width, shares.length, group)
          expect([unit % 32, group % unit]).toEqual([0, 0])
          const ranges = rangesOf(width, unit, shares)
          let next = 0
          for (const { start, count } of ranges) {
            expect(start).toBe(next)
            expect(start % 32).toBe(0)
            next += count
          }
          expect(next).toBe(width)
        },
      ),
    )
  })

  test('go by whole groups where every rank has plenty of them, by parts of one where it has few', () => {
    expect(ffnUnit(18944, 2, 128)).toBe(128)
    expect(ffnUnit(4864, 2, 128)).toBe(64)
    expect(ffnUnit(1024, 4, 128)).toBe(32)
    expect(ffnUnit(11008, 2)).toBe(32)
  })
})

test('bytes of a matrix value follow what is stored and what is asked for', () => {
  const model = (lowBit: PlanModel['lowBit']) => ({ storedBytes: 2, lowBit }) as PlanModel
  const four = model({ bytes: 0.5625, group: 128 })
  const eight = model({ bytes: 1.03125, group: 0 })
  expect(matrixBytes('stored', model(null))).toEqual({ layers: 2, head: 2 })
  expect(matrixBytes('stored', four)).toEqual({ layers: 0.5625, head: 2 })
  expect(matrixBytes('stored', eight)).toEqual({ layers: 1.03125, head: 2 })
  expect(matrixBytes('bf16', four)).toEqual({ layers: 2, head: 2 })
  // 4 bits that are stored are kept; 8 bits are rounded to the 4 asked for.
  expect(matrixBytes('int4', model({ bytes: 0.75, group: 32 })).layers).toBe(0.75)
  expect(matrixBytes('int4', eight).layers).toBe(0.5625)
  expect(matrixBytes('int4:64', eight)).toEqual({ layers: 0.53125, head: 0.53125 })
  expect(matrixBytes('int4:128', model({ bytes: 0.75, group: 32 }))).toEqual({ layers: 0.75, head: 0.515625 })
})
