/** Several generations of one request, run at once and merged into one sequence of events. */
import { LanyardError } from '../contract/errors.ts'
import type { Completion, CompletionEnd, CompletionEvent } from '../serving/completion.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { seedOf } from './parameters.ts'

export interface Choice {
  index: number
  completion: Completion
  seed: number | undefined
}

export interface ChoiceEvent {
  index: number
  event: CompletionEvent
}

/**
 * `n` choices of each prompt: choice i·n + j is the j-th of prompt i. With a seed each choice has its own, seed + j:
 * the choices differ and the first is what the seed alone would give.
 */
export function choicesOf(completions: readonly Completion[], n: number, seed: number | undefined): Choice[] {
  return completions.flatMap((completion, i) =>
    Array.from({ length: n }, (_, j) => ({
      index: i * n + j,
      completion,
      seed: seed === undefined ? undefined : seedOf(seed + j),
    })),
  )
}

/** Events of all choices as they come. Aborting `stop`, or leaving the loop, ends every generation. */
export async function* runChoices(
  choices: readonly Choice[],
  metrics: Metrics,
  stop: AbortController,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const runs = choices.map(({ completion, seed }) => metered(completion, seed, metrics, stop.signal))
  const pending = new Map(runs.map((run, at) => [at, next(run, at)]))
  try {
    while (pending.size > 0) {
      const { at, result } = await Promise.race(pending.values())
      if (result.done) {
        pending.delete(at)
        continue
      }
      yield { index: choices[at]!.index, event: result.value }
      pending.set(at, next(runs[at]!, at))
    }
  } finally {
    // a generator that waits for its next token only returns when that comes: the signal ends it now
    stop.abort()
    for (const run of runs) void run.return(undefined)
  }
}

async function next(
  run: AsyncGenerator<CompletionEvent, void, undefined>,
  at: number,
): Promise<{ at: number; result: IteratorResult<CompletionEvent, void> }> {
  return { at, result: await run.next() }
}

async function* metered(
  completion: Completion,
  seed: number | undefined,
  metrics: Metrics,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent, void, undefined> {
  const meter = metrics.choice(completion.served.name)
  let end: CompletionEnd | null = null
  try {
    for await (const event of completion.run(signal, { seed })) {
      if (event.kind === 'waiting' && event.queued === 0) meter.reading()
      if (event.kind === 'text' && event.tokens.length > 0) meter.tokens(event.tokens.length)
      if (event.kind === 'ended') end = event
      yield event
    }
  } finally {
    meter.ended(end)
  }
}

/** The error that a generation's end amounts to; null for an ordinary end. */
export function failureOf(end: CompletionEnd): ApiError | null {
  if (end.finishReason === 'stop' || end.finishReason === 'length') return null
  const { code, message, hint } =
    end.problem ?? ({ code: 'aborted', message: 'The generation was ended by the server.', hint: '' } as const)
  return apiErrorOf(new LanyardError(code, message, hint))
}
