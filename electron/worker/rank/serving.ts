/**
 * Rank 0's loop: plan, step, tell, as long as there is something to do. Where the scheduler can, the next step is given to
 * the engine while one runs, so that what JavaScript costs is no time between steps.
 */
import { randomInt } from 'node:crypto'
import type { EngineSpec } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { Problem } from '../../contract/errors.ts'
import type { GenerateRequest, SchedulerStats, StepEvent, TokenOut } from '../../contract/worker.ts'
import type { TokenBytes } from '../../grammar/vocabulary.ts'
import type { Follower, Grammars } from '../grammar/grammars.ts'
import { createScheduler } from '../scheduler/scheduler.ts'
import type { Ended, StepNews, StepPlan } from '../scheduler/scheduler.ts'
import type { Engine, SampledToken, StepResult } from './addon.ts'

export interface Serving {
  /** Throws what the scheduler throws. */
  submit(request: GenerateRequest): void
  /** What each token stands for: needed before the first request with a grammar. */
  vocabulary(tokens: TokenBytes): void
  /** Unknown requests have ended already. */
  abort(requestId: string): void
  /** `tokens` are generated ones; all but the first four are sums since the start. */
  stats(): SchedulerStats
  /** Ends every request as aborted and the running step; resolves when the engine is idle. */
  stop(): Promise<void>
  /** Resolves after `stop`; rejects when a step fails. Requests in flight have been told by then. */
  readonly done: Promise<void>
}

/**
 * Longest that a step waits for the masks of constrained sequences. They take microseconds, seldom milliseconds; a step
 * without them goes on after that, so that nobody else waits for long.
 */
const mostMaskMs = 3

/** `toProblem` words what a failed step means for the requests in flight; `openGrammars` is needed for constrained ones. */
export function createServing(
  engine: Engine,
  spec: EngineSpec,
  emit: (event: StepEvent) => void,
  toProblem: (error: unknown) => Problem,
  openGrammars: (tokens: TokenBytes) => Grammars = () => {
    throw new LanyardError('bad_request', 'This engine cannot keep an output format.')
  },
): Serving {
  const scheduler = createScheduler({
    blocks: spec.kv.blocks,
    blockSize: spec.kv.blockSize,
    maxStepTokens: spec.maxStepTokens,
    maxSequences: spec.maxSequences,
    context: spec.decoder.context,
    vocab: spec.decoder.vocab,
    ntkLength: spec.decoder.ntkLength,
    speculate: spec.speculate ?? true,
  })
  const done = Promise.withResolvers<void>()
  const sums = { steps: 0, tokens: 0, stepMicros: 0, commMicros: 0, idleMicros: 0, idles: 0 }
  const inFlight: { plan: StepPlan; result: Promise<StepResult>; follows: boolean }[] = []
  let told = new Map<string, string>()
  let isStepping = false
  let isOver = false
  let grammars: Grammars | null = null
  let isSettling = false

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

  function tell({ tokens, prompts, ended }: StepNews): void {
    const event: StepEvent = { tokens: byRequest(tokens), ended, waiting: waitingNews() }
    if (prompts.length > 0) event.prompts = byRequest(prompts)
    if (event.tokens.length + prompts.length + ended.length + event.waiting.length > 0) emit(event)
  }

  /** Gives the engine what can be planned now; `follows` a step right before. */
  function issue(follows: boolean): void {
    for (;;) {
      const plan = isOver ? null : scheduler.plan()
      if (!plan) return
      const result = new Promise<StepResult>((resolve) => {
        resolve(engine.step(plan.sequences))
      })
      // It is awaited later, when the step before it has ended.
      result.catch(() => undefined)
      inFlight.push({ plan, result, follows: follows || inFlight.length > 0 })
    }
  }

  async function loop(): Promise<void> {
    issue(false)
    tell({ tokens: [], prompts: [], ended: [] })
    for (;;) {
      const step = inFlight[0]
      if (!step) {
        // Here and not when the promise is seen to be settled: a step issued in between would be awaited by nobody.
        isStepping = false
        return
      }
      const { tokens, micros } = await step.result
      inFlight.shift()
      if (isOver) continue
      const news = scheduler.complete(step.plan, tokens, micros.total)
      sums.steps++
      sums.tokens += news.tokens.length
      sums.stepMicros += micros.total
      sums.commMicros += micros.comm
      if (step.follows) {
        sums.idleMicros += micros.idle
        sums.idles++
      }
      if (grammars?.isOwing) {
        // Before the end that a grammar may come to.
        tell(news)
        isSettling = true
        await grammars.settled(mostMaskMs)
        isSettling = false
        issue(true)
        continue
      }
      issue(true)
      // Told while the next step runs: what it costs is no time between steps.
      tell(news)
    }
  }

  function wake(): void {
    if (isStepping || isOver) return issue(true)
    isStepping = true
    loop().then(
      () => {
        if (isOver && !isStepping) done.resolve()
      },
      async (error: unknown) => {
        await Promise.allSettled(inFlight.splice(0).map(({ result }) => result))
        isStepping = false
        // A step that was ended by `stop` fails too.
        if (isOver) return done.resolve()
        isOver = true
        endAll('failed', toProblem(error))
        done.reject(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  /** The sequence ends by what its grammar says, not by a step. */
  function endByGrammar(requestId: string, reason: Ended['reason'], problem: Ended['problem']): void {
    const ended = scheduler.end(requestId, reason, problem)
    if (ended) tell({ tokens: [], prompts: [], ended: [ended] })
    // Others may have waited for its place.
    if (!isSettling) wake()
  }

  function follow({ requestId, grammar }: GenerateRequest): Follower | undefined {
    if (!grammar) return undefined
    if (!grammars) throw new LanyardError('internal', 'A request with an output format came before the vocabulary.')
    return grammars.follow(grammar.ebnf, grammar.stopIds, {
      ready() {
        if (!isSettling) wake()
      },
      finished: () => endByGrammar(requestId, 'stop', null),
      failed: (problem) => endByGrammar(requestId, 'failed', problem),
    })
  }

  return {
    done: done.promise,
    vocabulary(tokens) {
      grammars ??= openGrammars(tokens)
    },
    submit(request) {
      if (isOver) throw new LanyardError('deployment_not_ready', 'The deployment is stopping.')
      // With a seed of its own it goes on with the same draws whenever it must be computed again.
      const { sampling } = request
      const follower = follow(request)
      try {
        scheduler.submit(
          sampling.seed === null ? { ...request, sampling: { ...sampling, seed: randomInt(2 ** 48 - 1) } } : request,
          follower,
        )
      } catch (error) {
        follower?.close()
        throw error
      }
      wake()
    },
    abort(requestId) {
      if (scheduler.abort(requestId))
        tell({ tokens: [], prompts: [], ended: [{ requestId, reason: 'aborted', stopId: null, problem: null }] })
    },
    stats() {
      return { ...scheduler.counts(), ...sums }
    },
    async stop() {
      if (!isOver) {
        isOver = true
        endAll('aborted', null)
        if (isStepping) engine.abort('the deployment was stopped')
        else done.resolve()
      }
      await grammars?.close()
      await done.promise.catch(() => undefined)
    },
  }
}

/** JSON knows no infinities: a token that cannot be reads −9999, as in OpenAI's API. */
const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : -9999)

function tokenOut({ id, logprob, top }: SampledToken): TokenOut {
  return { id, logprob: finite(logprob), top: top.map((entry) => ({ id: entry.id, logprob: finite(entry.logprob) })) }
}

/** The tokens of each request, in order. */
function byRequest(tokens: StepNews['tokens']): StepEvent['tokens'] {
  const lists = new Map<string, TokenOut[]>()
  for (const { requestId, token } of tokens) {
    const list = lists.get(requestId)
    if (list) list.push(tokenOut(token))
    else lists.set(requestId, [tokenOut(token)])
  }
  return [...lists].map(([requestId, list]) => ({ requestId, tokens: list }))
}
