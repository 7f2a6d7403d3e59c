/** Long work and questions to the user, kept in the live state so that every window sees and answers the same ones. */
import { randomUUID } from 'node:crypto'
import type { LiveState } from './app-state.ts'
import { LanyardError, problemOf } from './contract/errors.ts'
import type { Answer, Job, JobStep, Question } from './contract/job.ts'

/** Finished jobs that stay in view. */
const keptJobs = 50
/** A question nobody answers must not hold a job for ever. */
const questionLifeMs = 5 * 60 * 1000

export interface JobRun {
  readonly id: string
  readonly signal: AbortSignal
  /** Runs one step: running, then done with the detail it returned, or failed with the error. */
  step: <T>(
    id: string,
    work: (report: (change: Partial<Pick<JobStep, 'detail' | 'bytes' | 'bytesTotal'>>) => void) => Promise<T>,
    detail?: (result: T) => string,
  ) => Promise<T>
  skip(id: string, detail: string): void
}

export interface Jobs {
  /** Starts at once; the promise is the work's own result. */
  run<T>(
    kind: Job['kind'],
    title: string,
    subject: string | null,
    steps: { id: string; label: string }[],
    work: (job: JobRun) => Promise<T>,
  ): { id: string; result: Promise<T> }
  cancel(id: string): void
}

export function createJobs(state: LiveState): Jobs {
  const running = new Map<string, AbortController>()
  return {
    run(kind, title, subject, steps, work) {
      const id = randomUUID()
      const abort = new AbortController()
      running.set(id, abort)
      const change = (recipe: (job: Job) => void): void =>
        state.update((draft) => {
          const job = draft.jobs.find((each) => each.id === id)
          if (job) recipe(job)
        })
      const changeStep = (stepId: string, values: Partial<JobStep>): void =>
        change((job) => {
          const step = job.steps.find((each) => each.id === stepId)
          if (step) Object.assign(step, values)
        })
      state.update((draft) => {
        draft.jobs.push({
          id,
          kind,
          title,
          subject,
          state: 'running',
          problem: null,
          startedAt: Date.now(),
          endedAt: null,
          steps: steps.map((step) => ({
            ...step,
            state: 'pending',
            detail: '',
            bytes: 0,
            bytesTotal: 0,
            startedAt: null,
            endedAt: null,
          })),
        })
        const ended = draft.jobs.filter((job) => job.state !== 'running')
        for (const old of ended.slice(0, Math.max(0, ended.length - keptJobs)))
          draft.jobs.splice(draft.jobs.indexOf(old), 1)
      })
      const job: JobRun = {
        id,
        signal: abort.signal,
        async step(stepId, stepWork, detail) {
          abort.signal.throwIfAborted()
          changeStep(stepId, { state: 'running', startedAt: Date.now() })
          try {
            const result = await stepWork((values) => changeStep(stepId, values))
            changeStep(stepId, { state: 'done', endedAt: Date.now(), ...(detail ? { detail: detail(result) } : {}) })
            return result
          } catch (error) {
            changeStep(stepId, { state: 'failed', endedAt: Date.now(), detail: problemOf(error).message })
            throw error
          }
        },
        skip: (stepId, detail) => changeStep(stepId, { state: 'skipped', detail, endedAt: Date.now() }),
      }
      const result = work(job)
        .then(
          (value) => {
            change((each) => {
              each.state = 'done'
              each.endedAt = Date.now()
            })
            return value
          },
          (error: unknown) => {
            change((each) => {
              each.state = abort.signal.aborted ? 'cancelled' : 'failed'
              each.problem = problemOf(error)
              each.endedAt = Date.now()
            })
            throw error
          },
        )
        .finally(() => running.delete(id))
      result.catch(() => undefined) // the state carries it; a caller that does not wait must not crash the app
      return { id, result }
    },
    cancel(id) {
      running.get(id)?.abort(new LanyardError('cancelled', 'Cancelled.'))
    },
  }
}

export interface Questions {
  /** Resolves with the user's answer; rejects with `question_unanswered` when none comes or the signal aborts. */
  ask(question: Omit<Question, 'id' | 'askedAt'>, signal: AbortSignal): Promise<Answer>
  answer(answer: Answer): void
}

export function createQuestions(state: LiveState): Questions {
  const waiting = new Map<string, (answer: Answer) => void>()
  return {
    ask(question, signal) {
      const id = randomUUID()
      return new Promise<Answer>((resolve, reject) => {
        const unanswered = (): void => {
          reject(
            new LanyardError(
              'question_unanswered',
              `No answer to: ${question.text}`,
              'Try again and answer the question.',
            ),
          )
        }
        const timer = setTimeout(unanswered, questionLifeMs)
        signal.addEventListener('abort', unanswered, { once: true })
        waiting.set(id, (answer) => {
          clearTimeout(timer)
          resolve(answer)
        })
        state.update((draft) => {
          draft.questions.push({ ...question, id, askedAt: Date.now() })
        })
        if (signal.aborted) unanswered()
      }).finally(() => {
        waiting.delete(id)
        state.update((draft) => {
          draft.questions = draft.questions.filter((each) => each.id !== id)
        })
      })
    },
    answer(answer) {
      const resolve = waiting.get(answer.id)
      if (!resolve) throw new LanyardError('not_found', 'That question is no longer open.')
      resolve(answer)
    },
  }
}
