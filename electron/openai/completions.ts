/** POST /v1/completions: the older interface, text in and text out, also for several prompts at once. */
import * as z from 'zod/mini'
import type { Completion, CompletionInput, TokenText } from '../serving/completion.ts'
import { prepareCompletion } from '../serving/completion.ts'
import type { TextTools } from '../serving/text-tools.ts'
import { choicesOf } from './choices.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { ApiContext, Running, Services } from './exchange.ts'
import { envelope, modelOf, start, streamed } from './exchange.ts'
import type { LegacyLogprobs } from './logprobs.ts'
import { legacyLogprobs } from './logprobs.ts'
import { commonFields, commonParameters, commonUnsupported } from './parameters.ts'
import { never, parseBody, readBody, refuse } from './requests.ts'
import type { Unsupported } from './requests.ts'
import { usageBody } from './usage.ts'

const ids = z.array(z.int()).check(z.minLength(1))

const completionRequest = z.object({
  ...commonFields,
  prompt: z.union([z.string(), z.array(z.string()).check(z.minLength(1)), ids, z.array(ids).check(z.minLength(1))]),
  max_tokens: z.optional(z.int().check(z.minimum(0))),
  max_completion_tokens: z.optional(z.int().check(z.minimum(0))),
  logprobs: z.optional(z.int().check(z.minimum(0), z.maximum(5))),
  echo: z.optional(z.boolean()),
  best_of: z.optional(z.int().check(z.minimum(1), z.maximum(128))),
  add_special_tokens: z.optional(z.boolean()),
})
type CompletionRequest = z.output<typeof completionRequest>

const unsupported: Unsupported = {
  ...commonUnsupported,
  suffix: (value) => value === '',
  tools: never,
  functions: never,
}

/** OpenAI's default for this interface. */
const defaultMaxTokens = 16

function inputsOf({ prompt, add_special_tokens: special = true }: CompletionRequest): CompletionInput[] {
  const one = (value: string | number[]): CompletionInput =>
    typeof value === 'string' ? { text: value, special } : { ids: value }
  if (typeof prompt === 'string') return [one(prompt)]
  return typeof prompt[0] === 'number' ? [one(prompt as number[])] : (prompt as (string | number[])[]).map(one)
}

/** Combinations that cannot be had. */
function check(request: CompletionRequest): void {
  const n = request.n ?? 1
  if (request.best_of !== undefined && request.best_of !== n) {
    const message =
      request.best_of < n
        ? "'best_of' must not be less than 'n'."
        : "'best_of' greater than 'n' is not supported by this engine."
    throw new ApiError(400, message, { param: 'best_of', code: 'invalid_value' })
  }
  if (request.echo && request.logprobs !== undefined) {
    throw new ApiError(
      400,
      "'echo' together with 'logprobs' is not supported by this engine: it gives no log probabilities of prompt tokens.",
      { param: 'echo', code: 'unsupported_parameter' },
    )
  }
}

interface Prompt {
  completion: Completion
  /** what echo puts before the answer */ echo: string
}
interface Shape {
  request: CompletionRequest
  text: TextTools
  n: number
  prompts: Prompt[]
  promptTokens: number
}

export async function completions(c: ApiContext, services: Services): Promise<Response> {
  const body = await readBody(c)
  refuse(body, unsupported)
  const request = parseBody(completionRequest, body)
  const usage = c.get('usage')
  usage.model = request.model
  check(request)
  const parameters = {
    ...commonParameters(request),
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? defaultMaxTokens,
    logprobs: request.logprobs,
  }
  const { served, text } = await modelOf(services, request.model)
  const n = request.n ?? 1
  let prompts: Prompt[]
  try {
    prompts = inputsOf(request).map((input) => {
      const completion = prepareCompletion(served, text, input, parameters)
      const echo = !request.echo ? '' : 'text' in input ? input.text : text.decode(completion.prompt, true)
      return { completion, echo }
    })
  } catch (error) {
    throw apiErrorOf(error, 'prompt')
  }
  const promptTokens = prompts.reduce((sum, { completion }) => sum + completion.prompt.length, 0)
  usage.promptTokens = promptTokens
  for (const { completion } of prompts) services.metrics.request(completion, n)
  const running = await start(
    c,
    services,
    choicesOf(
      prompts.map((p) => p.completion),
      n,
      parameters.seed,
    ),
  )
  const head = envelope('cmpl', 'text_completion', request.model, served, request.request_id)
  const shape: Shape = { request, text, n, prompts, promptTokens }
  if (request.stream) return streamed(c, running, chunks(running, head, shape))
  return c.json({ ...head, ...(await whole(running, shape)) })
}

function logprobsOf({ request, text }: Shape, tokens: readonly TokenText[], offset: number): LegacyLogprobs | null {
  if (request.logprobs === undefined) return null
  return legacyLogprobs(text, tokens, request.logprobs, offset, request.return_tokens_as_token_ids ?? false)
}

async function whole(running: Running, shape: Shape): Promise<object> {
  const { request, n, prompts, promptTokens } = shape
  const parts = prompts.flatMap(({ echo }) =>
    Array.from({ length: n }, () => ({ text: echo, tokens: [] as TokenText[], finish: {} })),
  )
  let generated = 0
  for await (const { index, event } of running.events) {
    const part = parts[index]!
    if (event.kind === 'text') {
      part.text += event.delta
      if (request.logprobs !== undefined) part.tokens.push(...event.tokens)
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      part.finish = { finish_reason: event.finishReason, stop_reason: event.stopReason }
    }
  }
  return {
    choices: parts.map((part, index) => ({
      index,
      text: part.text,
      logprobs: logprobsOf(shape, part.tokens, 0),
      ...part.finish,
    })),
    usage: usageBody(promptTokens, generated),
  }
}

async function* chunks(running: Running, head: object, shape: Shape): AsyncGenerator<object, void, undefined> {
  const { request, n, prompts, promptTokens } = shape
  const { include_usage: withUsage = false, continuous_usage_stats: always = false } = request.stream_options ?? {}
  let counted = 0
  let generated = 0
  /** characters whose log probabilities have been given, per choice */
  const offsets = prompts.flatMap(() => Array.from({ length: n }, () => 0))
  const chunk = (index: number, text: string, more: object = {}): object => ({
    ...head,
    choices: [{ index, text, logprobs: null, finish_reason: null, ...more }],
    ...(withUsage ? { usage: always ? usageBody(promptTokens, counted) : null } : {}),
  })
  for (const [i, { echo }] of prompts.entries()) {
    if (echo !== '') for (let j = 0; j < n; j++) yield chunk(i * n + j, echo)
  }
  for await (const { index, event } of running.events) {
    if (event.kind === 'text') {
      counted += event.tokens.length
      const logprobs = logprobsOf(shape, event.tokens, offsets[index]!)
      offsets[index]! += event.tokens.reduce((sum, token) => sum + token.text.length, 0)
      yield chunk(index, event.delta, { logprobs })
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      yield chunk(index, '', { finish_reason: event.finishReason, stop_reason: event.stopReason })
    }
  }
  if (withUsage) yield { ...head, choices: [], usage: usageBody(promptTokens, generated) }
}
