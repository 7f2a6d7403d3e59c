import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Message } from '../../electron/contract/chat.ts'
import { leafBelow, pathTo, siblingsOf } from './branches.ts'

const message = (id: string, parentId: string | null, role: Message['role'], createdAt: number): Message => ({
  id,
  threadId: 't',
  parentId,
  role,
  text: id,
  state: 'done',
  stats: null,
  problem: null,
  createdAt,
})

/** A question answered twice; the second answer went on; the question was edited later. */
const thread = [
  message('q1', null, 'user', 1),
  message('a1', 'q1', 'assistant', 2),
  message('a2', 'q1', 'assistant', 3),
  message('q2', 'a2', 'user', 4),
  message('a3', 'q2', 'assistant', 5),
  message('q1b', null, 'user', 6),
  message('a4', 'q1b', 'assistant', 7),
]
const ids = (messages: readonly Message[]): string[] => messages.map((m) => m.id)

describe('branches', () => {
  test('a path leads from the first message to the leaf', () => {
    expect(ids(pathTo(thread, 'a3'))).toEqual(['q1', 'a2', 'q2', 'a3'])
  })

  test('without a leaf, the newest branch is shown', () => {
    expect(ids(pathTo(thread, null))).toEqual(['q1b', 'a4'])
    expect(ids(pathTo(thread, 'gone'))).toEqual(['q1b', 'a4'])
    expect(pathTo([], null)).toEqual([])
  })

  test('versions stand in the order they were made', () => {
    expect(ids(siblingsOf(thread, thread[2]!))).toEqual(['a1', 'a2'])
    expect(ids(siblingsOf(thread, thread[0]!))).toEqual(['q1', 'q1b'])
  })

  test('showing a version goes down to its newest end', () => {
    expect(leafBelow(thread, 'q1')).toBe('a3')
    expect(leafBelow(thread, 'a1')).toBe('a1')
    expect(leafBelow(thread, 'q1b')).toBe('a4')
  })

  test('any tree: the leaf below a message has that message on its path', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 40 }), fc.nat(), (parents, pick) => {
        const tree = parents.map((p, i) =>
          message(`m${i}`, i === 0 ? null : `m${p % i}`, i % 2 ? 'assistant' : 'user', i),
        )
        const id = tree[pick % tree.length]!.id
        expect(ids(pathTo(tree, leafBelow(tree, id)))).toContain(id)
      }),
    )
  })

  test('a broken chain of parents does not hang', () => {
    const loop = [message('x', 'y', 'user', 1), message('y', 'x', 'assistant', 2)]
    expect(ids(pathTo(loop, 'x'))).toEqual(['y', 'x'])
    expect(['x', 'y']).toContain(leafBelow(loop, 'x'))
  })
})
