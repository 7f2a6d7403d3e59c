/** What every request that generates goes through: admission, the first event before the first byte, the report. */
import { randomBytes } from 'node:crypto'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Served, ServedModels } from '../serving/served.ts'
import type { TextTools } from '../serving/text-tools.ts'
import type { Choice, ChoiceEvent } from './choices.ts'
import { failureOf, runChoices } from './choices.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { eventStream, eventStreamHeaders } from './sse.ts'

export type Bindings = { Bindings: HttpBindings; Variables: { requestId: string; usage: RequestUsage } }
export type ApiContext = Context<Bindings>

/** What a request came to, for the report. */
export interface RequestUsage {
  model: string | null
  promptTokens: number
  completionTokens: number
  error: string | null
}

export interface Services {
  served: ServedModels
  textOf(served: Served): TextTools | Promise<TextTools>
  metrics: Metrics
  /** most generations at once, over all requests */
  maxActive: number
  /** aborted when the server closes */
  closing: AbortSignal
}

/** The model a request names. Throws 404 or 503 with `model` as param. */
export async function modelOf(services: Services, name: string): Promise<{ served: Served; text: TextTools }> {
  try {
    const served = services.served.get(name)
    return { served, text: await services.textOf(served) }
  } catch (error) {
    throw apiErrorOf(error, 'model')
  }
}

/** Identity and time that all chunks of an answer share. */
export function envelope(
  kind: 'chatcmpl' | 'cmpl',
  object: string,
  model: string,
  served: Served,
  requestId: string | undefined,
) {
  return {
    id: `${kind}-${requestId ?? randomBytes(12).toString('hex')}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model,
    system_fingerprint: `fp_${served.model.fingerprint.slice(0, 12)}`,
  }
}

export interface Running {
  events: AsyncGenerator<ChoiceEvent, void, undefined>
  /** ends every generation */
  leave(): void
}

/**
 * Starts the choices. Resolves when the first event is there, so that what fails at once fails with its own status.
 * A client that goes away ends them. Throws 429 when too many run already.
 */
export async function start(c: ApiContext, services: Services, choices: readonly Choice[]): Promise<Running> {
  const { metrics, maxActive } = services
  if (choices.length > maxActive) {
    throw new ApiError(400, `The request asks for ${choices.length} answers; at most ${maxActive} can run at once.`, {
      param: 'n',
      code: 'invalid_value',
    })
  }
  if (metrics.active() + choices.length > maxActive) {
    throw new ApiError(429, `${metrics.active()} of at most ${maxActive} answers are being generated.`, {
      code: 'rate_limit_exceeded',
      retryAfter: 1,
    })
  }
  const stop = new AbortController()
  const all = runChoices(choices, metrics, stop)
  const leave = (): void => {
    stop.abort()
    void all.return(undefined)
  }
  const { outgoing } = c.env
  if (outgoing.destroyed) leave()
  // 'close' also follows an ordinary end: then there is nothing left to end
  outgoing.once('close', leave)
  services.closing.addEventListener('abort', leave, { once: true })
  outgoing.once('close', () => services.closing.removeEventListener('abort', leave))
  const first = await all.next()
  const usage = c.get('usage')
  async function* events(): AsyncGenerator<ChoiceEvent, void, undefined> {
    try {
      for (let result = first; !result.done; result = await all.next()) {
        const { event } = result.value
        if (event.kind === 'ended') {
          usage.completionTokens += event.usage.completionTokens
          const failure = failureOf(event)
          if (failure) throw failure
        }
        yield result.value
      }
    } finally {
      leave()
    }
  }
  if (!first.done && first.value.event.kind === 'ended') {
    const failure = failureOf(first.value.event)
    if (failure) throw failure
  }
  return { events: events(), leave }
}

/** A stream of chunks as the response. */
export function streamed(c: ApiContext, running: Running, chunks: AsyncGenerator<object, void, undefined>): Response {
  const usage = c.get('usage')
  return c.body(
    eventStream(chunks, running.leave, (error) => {
      usage.error = error.code ?? 'error'
    }),
    200,
    eventStreamHeaders,
  )
}
