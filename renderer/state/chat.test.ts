import { expect, test } from 'vitest'
import { stepRun } from './chat.ts'
import type { Run } from './chat.ts'

const fresh: Run = {
  assistantId: null,
  phase: 'sending',
  queued: 0,
  promptDone: 0,
  promptTotal: 0,
  text: '',
  pieces: 0,
  writingSince: 0,
  stop: new AbortController(),
}

test('an answer goes through queued, reading and writing', () => {
  const queued = stepRun(fresh, { kind: 'waiting', queued: 2, promptDone: 0, promptTotal: 100 }, 1)
  expect(queued).toMatchObject({ phase: 'queued', queued: 2 })
  const reading = stepRun(queued, { kind: 'waiting', queued: 0, promptDone: 43, promptTotal: 100 }, 2)
  expect(reading).toMatchObject({ phase: 'reading', promptDone: 43 })
  const writing = stepRun(stepRun(reading, { kind: 'text', delta: 'Hel' }, 3), { kind: 'text', delta: 'lo' }, 4)
  expect(writing).toMatchObject({ phase: 'writing', text: 'Hello', pieces: 2, writingSince: 3 })
})
