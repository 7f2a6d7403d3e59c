/** The grammar thread itself: masks, ends, what is refused, and what takes too long. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../contract/errors.ts'
import { idsOf } from '../../grammar/masks.ts'
import { createGrammars } from './grammars.ts'
import type { Follower, Grammars } from './grammars.ts'

const script = path.resolve(import.meta.dirname, '..', 'worker.ts')
const words = ['a', 'b', 'ab', 'c']
const stop = words.length
const setup = {
  tokens: { bytes: new TextEncoder().encode(words.join('')), ends: Uint32Array.of(1, 2, 4, 5, 5) },
  vocab: 7,
}

async function withGrammars(body: (grammars: Grammars) => Promise<void>, deadlineMs?: number): Promise<void> {
  const grammars = createGrammars(setup, script, deadlineMs)
  try {
    await body(grammars)
  } finally {
    await grammars.close()
  }
}

type News = 'ready' | 'finished' | Problem

/** A follower and what it tells, one piece of news after the other. */
function follow(grammars: Grammars, ebnf: string, stopIds = [stop]): { follower: Follower; next(): Promise<News> } {
  const news: News[] = []
  let wake = (): void => undefined
  const add = (one: News): void => {
    news.push(one)
    wake()
  }
  const follower = grammars.follow(ebnf, stopIds, {
    ready: () => add('ready'),
    finished: () => add('finished'),
    failed: (problem) => add(problem),
  })
  return {
    follower,
    async next() {
      while (news.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return news.shift()!
    },
  }
}

const allowed = (follower: Follower): number[] => [...idsOf(follower.mask!)]

describe('the grammar thread', () => {
  test('follows a text to its end, also where only the end is left', () =>
    withGrammars(async (grammars) => {
      const one = follow(grammars, 'root ::= "a" ("b" | "c")+')
      expect(one.follower.mask).toBeNull()
      expect(await one.next()).toBe('ready')
      expect(allowed(one.follower)).toEqual([0, 2])
      one.follower.take(2)
      expect([one.follower.mask, grammars.isOwing]).toEqual([null, true])
      await grammars.settled(5000)
      expect([grammars.isOwing, await one.next()]).toEqual([false, 'ready'])
      expect(allowed(one.follower)).toEqual([1, 3, stop])
      one.follower.take(stop)
      expect(await one.next()).toBe('finished')

      const two = follow(grammars, 'root ::= "ab"')
      expect(await two.next()).toBe('ready')
      two.follower.take(2)
      expect(await two.next()).toBe('finished')
    }))

  test('several at once do not disturb each other, and a closed one is forgotten', () =>
    withGrammars(async (grammars) => {
      const all = ['root ::= "a" "c"', 'root ::= "b" "c"', 'root ::= "a" "c"'].map((ebnf) => follow(grammars, ebnf))
      expect(await Promise.all(all.map((one) => one.next()))).toEqual(['ready', 'ready', 'ready'])
      all[2]!.follower.close()
      for (const [n, one] of all.entries()) one.follower.take(n === 1 ? 1 : 0)
      await grammars.settled(5000)
      expect(await Promise.all(all.slice(0, 2).map((one) => one.next()))).toEqual(['ready', 'ready'])
      expect(all.map((one) => one.follower.mask && allowed(one.follower))).toEqual([[3], [3], null])
    }))

  test('a grammar that is none, and a text that no token can go on with, fail alone', () =>
    withGrammars(async (grammars) => {
      const good = follow(grammars, 'root ::= "a"+')
      expect(await good.next()).toBe('ready')
      expect(await follow(grammars, 'root ::= "a" wrong').next()).toMatchObject({
        code: 'bad_request',
        message: expect.stringContaining('no rule "wrong"') as string,
      })
      expect(await follow(grammars, 'root ::= "x"').next()).toMatchObject({ code: 'internal' })
      good.follower.take(0)
      expect(await good.next()).toBe('ready')
    }))

  test('a token that does not fit is an error, not a way out', () =>
    withGrammars(async (grammars) => {
      const one = follow(grammars, 'root ::= "a" "b"')
      await one.next()
      one.follower.take(3)
      expect(await one.next()).toMatchObject({
        code: 'internal',
        message: expect.stringContaining('does not fit') as string,
      })
    }))

  test('what is not answered in time fails, and says so', () =>
    withGrammars(async (grammars) => {
      // No thread starts within a millisecond.
      expect(await follow(grammars, 'root ::= "a"').next()).toMatchObject({
        code: 'bad_request',
        message: expect.stringContaining('takes longer than 0.001 s') as string,
      })
    }, 1))
})
