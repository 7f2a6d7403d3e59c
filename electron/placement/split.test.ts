import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DecoderSpec } from '../contract/engine.ts'
import { largestRemainder } from './apportion.ts'
import { cutHeads, kvRange } from './heads.ts'
import { splitsOf } from './split.ts'

const shares = fc
  .array(
    fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 5, arbitrary: fc.integer({ min: 1, max: 1000 }) }),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .filter((list) => list.some((share) => share > 0))

/** KV heads and how many query heads read each */
const heads = fc.record({ kv: fc.integer({ min: 1, max: 16 }), group: fc.integer({ min: 1, max: 8 }) })

describe('largest remainder', () => {
  test('gives out every unit, nothing for no share, and is never off by a whole unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), shares, (units, given) => {
        const counts = largestRemainder(units, given)
        const sum = given.reduce((total, share) => total + share, 0)
        expect(counts.reduce((total, count) => total + count, 0)).toBe(units)
        counts.forEach((count, rank) => {
          expect(Math.abs(count - (units * given[rank]!) / sum)).toBeLessThan(1)
          if (given[rank] === 0) expect(count).toBe(0)
        })
      }),
    )
  })
})

describe('cutting heads', () => {
  test('covers every head once, in order, and none goes to a rank without a share', () => {
    fc.assert(
      fc.property(heads, shares, ({ kv, group }, given) => {
        const ranges = cutHeads(kv * group, kv, given)
        let next = 0
        ranges.forEach((range, rank) => {
          expect(range.start).toBe(next)
          next += range.count
          if (given[rank] === 0) expect(range.count).toBe(0)
        })
        expect(next).toBe(kv * group)
      }),
    )
  })

  test('is never slower than giving each rank whole KV groups', () => {
    const time = (ranges: { start: number; count: number }[], group: number, given: number[]) =>
      Math.max(
        ...ranges.map((range, rank) =>
          range.count === 0 ? 0 : (2 * range.count + 2 * kvRange(range, group).count) / given[rank]!,
        ),
      )
    fc.assert(
      fc.property(heads, shares, ({ kv, group }, given) => {
        let start = 0
        const whole = largestRemainder(kv, given).map((count) => {
          const range = { start, count: count * group }
          start += count * group
          return range
        })
        // 2 % are given up for a cut closer to the shares.
        expect(time(cutHeads(kv * group, kv, given), group, given)).toBeLessThanOrEqual(
          1.0201 * time(whole, group, given),
        )
      }),
    )
  })

  test('halves a KV group where whole groups would leave a rank idle', () => {
    expect(cutHeads(8, 1, [1, 1])).toEqual([
      { start: 0, count: 4 },
      { start: 4, count: 4 },
    ])
    expect(cutHeads(8, 2, [1, 1, 1, 1]).map((range) => range.count)).toEqual([2, 2, 2, 2])
  })
})

describe('a split', () => {
  const spec = (kv: number, group: number, ffn: number, vocab: number) =>
    ({ queryHeads: kv * group, kvHeads: kv, ffn, vocab }) as DecoderSpec

  test('gives every query head, FFN column and vocabulary row to exactly one rank, and the KV heads they need', () => {
    fc.assert(
      fc.property(
        heads,
        fc.integer({ min: 1, max: 30_000 }),
        fc.integer({ min: 1, max: 200_000 }),
        shares,
        ({ kv, group }, ffn, vocab, given) => {
          const splits = splitsOf(spec(kv, group, ffn, vocab), given)
          for (const [axis, width] of [
            ['queryHeads', kv * group],
            ['ffn', ffn],
            ['vocab', vocab],
          ] as const) {
            let next = 0
            for (const split of splits) {
              expect(split[axis].start).toBe(next)
              expect(split[axis].count).toBeGreaterThanOrEqual(0)
              next += split[axis].count
            }
            expect(next).toBe(width)
          }
          for (const { queryHeads, kvHeads } of splits) {
            for (let head = queryHeads.start; head < queryHeads.start + queryHeads.count; head++) {
              const read = Math.floor(head / group)
              expect(read).toBeGreaterThanOrEqual(kvHeads.start)
              expect(read).toBeLessThan(kvHeads.start + kvHeads.count)
            }
            if (queryHeads.count === 0) expect(kvHeads.count).toBe(0)
          }
        },
      ),
    )
  })
})
