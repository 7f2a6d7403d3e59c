import { expect, test } from 'vitest'
import { createLiveState } from './app-state.ts'
import { LanyardError } from './contract/errors.ts'
import { createJobs, createQuestions } from './jobs.ts'

const state = () =>
  createLiveState({
    version: '1',
    machines: [],
    found: [],
    discovery: { on: false, note: '' },
    models: [],
    guide: null,
    deployments: [],
    jobs: [],
    questions: [],
    openai: { url: '', listening: false },
  })
const steps = [
  { id: 'reach', label: 'Reach' },
  { id: 'install', label: 'Install' },
  { id: 'start', label: 'Start' },
]

test('a job shows each step, keeps the failed one with its reason and leaves later ones pending', async () => {
  const live = state()
  const { result } = createJobs(live).run('add-machine', 'Add gpu-1', 'gpu-1', steps, async (job) => {
    await job.step(
      'reach',
      async () => 4,
      (ms) => `${ms} ms`,
    )
    await job.step('install', async (report) => {
      report({ bytes: 5, bytesTotal: 10 })
      throw new LanyardError('no_space', 'The disk is full.', 'Free 1 GB.')
    })
  })
  await expect(result).rejects.toMatchObject({ code: 'no_space' })
  expect(live.get().jobs[0]).toMatchObject({
    state: 'failed',
    problem: { code: 'no_space', hint: 'Free 1 GB.' },
    steps: [
      { state: 'done', detail: '4 ms' },
      { state: 'failed', detail: 'The disk is full.', bytes: 5 },
      { state: 'pending' },
    ],
  })
})

test('a cancelled job stops before its next step', async () => {
  const live = state()
  const jobs = createJobs(live)
  const { id, result } = jobs.run('scan', 'Scan', null, steps, async (job) => {
    jobs.cancel(job.id)
    await job.step('reach', async () => undefined)
  })
  await expect(result).rejects.toMatchObject({ code: 'cancelled' })
  expect(live.get().jobs.find((job) => job.id === id)?.state).toBe('cancelled')
})

test('a question is state until it is answered, by whoever sees it first', async () => {
  const live = state()
  const questions = createQuestions(live)
  const asked = questions.ask(
    { kind: 'password', about: 'ada@gpu-1', jobId: null, hostKey: null, text: 'Password for ada@gpu-1' },
    new AbortController().signal,
  )
  const open = live.get().questions[0]!
  questions.answer({ id: open.id, accept: true, remember: true, text: 'secret' })
  expect((await asked).text).toBe('secret')
  expect(live.get().questions).toEqual([])
  expect(() => questions.answer({ id: open.id, accept: true, remember: true, text: 'again' })).toThrow(/no longer open/)
})

test('a question whose job is cancelled goes away unanswered', async () => {
  const live = state()
  const stop = new AbortController()
  const asked = createQuestions(live).ask(
    { kind: 'password', about: 'x', jobId: null, hostKey: null, text: 'Password' },
    stop.signal,
  )
  stop.abort()
  await expect(asked).rejects.toMatchObject({ code: 'question_unanswered' })
  expect(live.get().questions).toEqual([])
})
