import { expect, test } from 'vitest'
import type { StepEvent } from '../../contract/worker.ts'
import { createTokenRecord } from './token-record.ts'

const token = (id: number) => ({ id, logprob: 0, top: [] })
const step = (requestId: string, ids: number[], reason?: 'stop' | 'length'): StepEvent => ({
  tokens: [{ requestId, tokens: ids.map(token) }],
  waiting: [],
  ended: reason ? [{ requestId, reason, stopId: null, problem: null }] : [],
})

test('a client that comes back gets what it lacks, and only that', () => {
  const record = createTokenRecord()
  record.open('a')
  record.add(step('a', [1, 2]))
  record.add(step('a', [3], 'length'))
  expect(record.since({ a: 1 })).toEqual({
    tokens: [{ requestId: 'a', tokens: [token(2), token(3)] }],
    ended: [{ requestId: 'a', reason: 'length', stopId: null, problem: null }],
    waiting: [],
  })
  expect(record.since({ a: 3 }).tokens).toEqual([])
  expect(record.since({})).toEqual({ tokens: [], ended: [], waiting: [] })
})

test('of the ended requests the last are kept, of those that go on all', () => {
  const record = createTokenRecord()
  record.open('long')
  for (let n = 0; n < 100; n++) {
    record.open(`r${n}`)
    record.add(step(`r${n}`, [n], 'stop'))
  }
  expect(record.since({ r0: 0 }).ended).toMatchObject([{ reason: 'failed', problem: { code: 'not_found' } }])
  expect(record.since({ r99: 0 }).tokens).toEqual([{ requestId: 'r99', tokens: [token(99)] }])
  expect(record.since({ long: 0 })).toEqual({ tokens: [], ended: [], waiting: [] })
})

test('the end of a rank ends what goes on, once', () => {
  const record = createTokenRecord()
  for (const id of ['a', 'b']) record.open(id)
  record.add(step('a', [1], 'stop'))
  const problem = { code: 'rank_failed', message: 'gone', hint: '' }
  expect(record.endAll('failed', problem).ended).toEqual([{ requestId: 'b', reason: 'failed', stopId: null, problem }])
  expect(record.endAll('failed', problem).ended).toEqual([])
  expect(record.since({ b: 0 }).ended).toHaveLength(1)
})
