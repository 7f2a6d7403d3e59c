/** Rank 0's loop: plan, step, tell, as long as there is something to do. */
import type { EngineSpec } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { Problem } from '../../contract/errors.ts'
import type { GenerateRequest, SchedulerStats, StepEvent, TokenOut } from '../../contract/worker.ts'
import { createScheduler } from '../scheduler/scheduler.ts'
import type { Ended } from '../scheduler/scheduler.ts'
import type { Engine, SampledToken, StepResult } from './addon.ts'

export interface Serving {
  /** Throws what the scheduler throws. */
  submit(request: GenerateRequest): void
  /** Unknown requests have ended already. */
  abort(requestId: string): void
  /** `tokens` are generated ones; `steps`, `stepMicros`, `commMicros` are sums since the start. */
  stats(): SchedulerStats
  /** Ends every request as aborted and the running step; resolves when the engine is idle. */
  stop(): Promise<void>
  /** Resolves after `stop`; rejects when a step fails. Requests in flight have been told by then. */
  readonly done: Promise<void>
}

/** `toProblem` words what a failed step means for the requests in flight. */
export function createServing(
  engine: Engine,
  spec: EngineSpec,
  emit: (event: StepEvent) => void,
  toProblem: (error: unknown) => Problem,
): Serving {
  const scheduler = createScheduler({
    blocks: spec.kv.blocks,
    blockSize: spec.kv.blockSize,
    maxStepTokens: spec.maxStepTokens,
    maxSequences: spec.maxSequences,
    context: spec.decoder.context,
    vocab: spec.decoder.vocab,
    ntkLength: spec.decoder.ntkLength,
  })
  const done = Promise.withResolvers<void>()
  const sums = { steps: 0, tokens: 0, stepMicros: 0, commMicros: 0 }
  let told = new Map<string, string>()
  let isStepping = false
  let isOver = false

  const endAll = (reason: 'aborted' | 'failed', problem: Problem | null): void => {
    const ended = scheduler.clear().map((requestId): Ended => ({ requestId, reason, stopId: null, problem }))
    if (ended.length > 0) emit({ tokens: [], ended, waiting: [] })
  }

  /** Only what changed since it was last told. */
  function waitingNews(): StepEvent['waiting'] {
    const before = told
    told = new Map()
    return scheduler.waiting().filter(({ requestId, queued, promptDone }) => {
      const now = `${queued} ${promptDone}`
      told.set(requestId, now)
      return before.get(requestId) !== now
    })
  }

  function tell(news: Pick<StepEvent, 'tokens' | 'ended'>): void {
    const event = { ...news, waiting: waitingNews() }
    if (event.tokens.length + event.ended.length + event.waiting.length > 0) emit(event)
  }

  async function loop(): Promise<void> {
    let news: Pick<StepEvent, 'tokens' | 'ended'> = { tokens: [], ended: [] }
    for (;;) {
      const plan = isOver ? null : scheduler.plan()
      const running =
        plan &&
        new Promise<StepResult>((resolve) => {
          resolve(engine.step(plan.sequences))
        })
      // Told while the next step runs: what it costs is no time between steps.
      tell(news)
      if (!plan || !running) return
      const result = await running
      if (isOver) return
      const { tokens, ended } = scheduler.complete(plan, result.tokens)
      sums.steps++
      sums.tokens += tokens.length
      sums.stepMicros += result.micros.total
      sums.commMicros += result.micros.comm
      news = { tokens: tokens.map(({ requestId, token }) => ({ requestId, tokens: [tokenOut(token)] })), ended }
    }
  }

  function wake(): void {
    if (isStepping || isOver) return
    isStepping = true
    loop().then(
      () => {
        isStepping = false
        if (isOver) done.resolve()
      },
      (error: unknown) => {
        isStepping = false
        // A step that was ended by `stop` fails too.
        if (isOver) return done.resolve()
        isOver = true
        endAll('failed', toProblem(error))
        done.reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  return {
    done: done.promise,
    submit(request) {
      if (isOver) throw new LanyardError('deployment_not_ready', 'The deployment is stopping.')
      scheduler.submit(request)
      wake()
    },
    abort(requestId) {
      if (scheduler.abort(requestId))
        tell({ tokens: [], ended: [{ requestId, reason: 'aborted', stopId: null, problem: null }] })
    },
    stats() {
      const { running, waiting, kvUsed, kvTotal } = scheduler.counts()
      return { running, waiting, kvUsed, kvTotal, ...sums }
    },
    async stop() {
      if (!isOver) {
        isOver = true
        endAll('aborted', null)
        if (isStepping) engine.abort('the deployment was stopped')
        else done.resolve()
      }
      await done.promise.catch(() => undefined)
    },
  }
}

/** JSON knows no infinities: a token that cannot be reads −9999, as in OpenAI's API. */
const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : -9999)

function tokenOut({ id, logprob, top }: SampledToken): TokenOut {
  return { id, logprob: finite(logprob), top: top.map((entry) => ({ id: entry.id, logprob: finite(entry.logprob) })) }
}
