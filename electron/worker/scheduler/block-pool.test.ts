import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockPool } from './block-pool.ts'

describe('block pool', () => {
  test('published blocks are found again by their tokens and what stands before them', () => {
    const pool = createBlockPool({ blocks: 8, blockSize: 2 })
    const root = pool.rootOf(1)
    const blocks = pool.take([], 2)
    const first = pool.publish(blocks[0]!, root, [1, 2])
    pool.publish(blocks[1]!, first, [3, 4])
    expect(pool.match([1, 2, 3, 4, 5], root, 9).blocks).toEqual(blocks)
    expect(pool.match([1, 2, 3, 5], root, 9).blocks).toEqual([blocks[0]])
    expect(pool.match([3, 4], root, 9).blocks).toEqual([])
    expect(pool.match([1, 2, 3, 4], pool.rootOf(3), 9).blocks).toEqual([])
    expect(pool.match([1, 2, 3, 4], root, 1).blocks).toEqual([blocks[0]])
  })

  test('a free block keeps its content until it is taken, the end of a sequence first', () => {
    const pool = createBlockPool({ blocks: 3, blockSize: 1 })
    const blocks = pool.take([], 3)
    let serial = pool.rootOf(1)
    for (const [n, block] of blocks.entries()) serial = pool.publish(block, serial, [n])
    pool.release(blocks)
    expect(pool.free).toBe(3)
    expect(pool.match([0, 1, 2], pool.rootOf(1), 3).blocks).toEqual(blocks)
    expect(pool.take([], 1)).toEqual([blocks[2]])
    expect(pool.match([0, 1, 2], pool.rootOf(1), 3).blocks).toEqual(blocks.slice(0, 2))
  })

  test('the same content in two blocks has one serial, so what follows either is found', () => {
    const pool = createBlockPool({ blocks: 4, blockSize: 1 })
    const [a, b, c] = pool.take([], 3) as [number, number, number]
    const root = pool.rootOf(1)
    const serial = pool.publish(a, root, [7])
    expect(pool.publish(b, root, [7])).toBe(serial)
    pool.publish(c, serial, [8])
    expect(pool.match([7, 8], root, 2).blocks).toEqual([a, c])
  })

  test('taking more than is free is refused, and counts known blocks that are free', () => {
    const pool = createBlockPool({ blocks: 2, blockSize: 1 })
    const [block] = pool.take([], 1) as [number]
    pool.publish(block, pool.rootOf(1), [5])
    pool.release([block])
    expect(pool.canTake([block], 1)).toBe(true)
    expect(pool.canTake([block], 2)).toBe(false)
    expect(() => pool.take([block], 2)).toThrow('2 KV blocks are wanted, 2 of 2 are free.')
  })

  test('a release too many and a wrong count are noticed', () => {
    const pool = createBlockPool({ blocks: 2, blockSize: 1 })
    const blocks = pool.take([], 1)
    expect(() => pool.checkIntegrity([])).toThrow('has 1 users, 0 sequences hold it')
    pool.release(blocks)
    expect(() => pool.release(blocks)).toThrow('no user')
  })

  test('counts, links and contents agree after any order of taking, publishing and releasing', () => {
    const action = fc.record({
      tokens: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 8 }),
      release: fc.nat(),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const pool = createBlockPool({ blocks: 12, blockSize: 2 })
        const root = pool.rootOf(1)
        const held: number[][] = []
        for (const { tokens, release } of actions) {
          const found = pool.match(tokens, root, 9)
          const fresh = Math.ceil(tokens.length / 2) - found.blocks.length
          if (pool.canTake(found.blocks, fresh)) {
            const blocks = pool.take(found.blocks, fresh)
            let parent = found.serials.at(-1) ?? root
            for (let n = found.blocks.length; (n + 1) * 2 <= tokens.length; n++) {
              parent = pool.publish(blocks[n]!, parent, tokens.slice(n * 2, n * 2 + 2))
            }
            held.push(blocks)
          } else if (held.length > 0) {
            pool.release(held.splice(release % held.length, 1)[0]!)
          }
          pool.checkIntegrity(held)
        }
      }),
      { numRuns: 200 },
    )
  })
})
