/** POST /v1/completions: the older interface, text in and text out, also for several prompts at once. */
import * as z from 'zod/mini'
import type { TokenOut } from '../contract/worker.ts'
import type { Completion, CompletionInput, TokenText } from '../serving/completion.ts'
import { prepareCompletion } from '../serving/completion.ts'
import type { TextTools } from '../serving/text-tools.ts'
import { choicesOf } from './choices.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { ApiContext, Running, Services } from './exchange.ts'
import { envelope, modelOf, start, streamed } from './exchange.ts'
import type { LegacyLogprobs } from './logprobs.ts'
import { legacyLogprobs, promptLogprobs, promptTokens } from './logprobs.ts'
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
function check({ n = 1, best_of: best = n, stream }: CompletionRequest): void {
  const wrong =
    best < n
      ? "'best_of' must not be less than 'n'."
      : best > n && stream
        ? "'best_of' greater than 'n' is not available when 'stream' is true."
        : null
  if (wrong !== null) throw new ApiError(400, wrong, { param: 'best_of', code: 'invalid_value' })
}

interface Prompt {
  completion: Completion
  /** what echo puts before the answer */ echo: string
}
interface Shape {
  request: CompletionRequest
  text: TextTools
  /** choices that are generated of each prompt, and those that are given */
  best: number
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
  const n = request.n ?? 1
  const best = request.best_of ?? n
  const parameters = {
    ...commonParameters(request),
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? defaultMaxTokens,
    // the best of several are those with the highest log probabilities
    logprobs: request.logprobs ?? (best > n ? 0 : undefined),
    promptLogprobs: request.prompt_logprobs ?? (request.echo ? request.logprobs : undefined),
  }
  const { served, text } = await modelOf(services, request.model)
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
  const promptCount = prompts.reduce((sum, { completion }) => sum + completion.prompt.length, 0)
  usage.promptTokens = promptCount
  for (const { completion } of prompts) services.metrics.request(completion, best)
  const running = await start(
    c,
    services,
    choicesOf(
      prompts.map((p) => p.completion),
      best,
      parameters.seed,
    ),
  )
  const head = envelope('cmpl', 'text_completion', request.model, served, request.request_id)
  const shape: Shape = { request, text, best, n, prompts, promptTokens: promptCount }
  if (request.stream) return streamed(c, running, chunks(running, head, shape))
  return c.json({ ...head, ...(await whole(running, shape)) })
}

function logprobsOf({ request, text }: Shape, tokens: readonly TokenText[], offset: number): LegacyLogprobs | null {
  if (request.logprobs === undefined) return null
  return legacyLogprobs(text, tokens, request.logprobs, offset, request.return_tokens_as_token_ids ?? false)
}

/** With echo and logprobs the prompt's tokens stand before the answer's. */
function echoedTokens({ request, text }: Shape, { completion }: Prompt, scored: readonly TokenOut[]): TokenText[] {
  return request.echo && request.logprobs !== undefined ? promptTokens(text, completion.prompt, scored) : []
}

interface Part {
  text: string
  tokens: TokenText[]
  scored: TokenOut[]
  finish: object
  cached: number
}

/** Of the choices of each prompt those with the highest log probability per token, best first; all when all are wanted. */
function bestOf(parts: readonly Part[], best: number, n: number): Part[] {
  if (best === n) return [...parts]
  const meanOf = ({ tokens }: Part): number =>
    tokens.reduce((sum, { logprob }) => sum + logprob, 0) / Math.max(tokens.length, 1)
  return Array.from({ length: parts.length / best }, (_, i) =>
    parts
      .slice(i * best, (i + 1) * best)
      .sort((a, b) => meanOf(b) - meanOf(a))
      .slice(0, n),
  ).flat()
}

async function whole(running: Running, shape: Shape): Promise<object> {
  const { request, text, best, n, prompts, promptTokens: total } = shape
  const parts = prompts.flatMap(() =>
    Array.from({ length: best }, (): Part => ({ text: '', tokens: [], scored: [], finish: {}, cached: 0 })),
  )
  let generated = 0
  for await (const { index, event } of running.events) {
    const part = parts[index]!
    if (event.kind === 'text') {
      part.text += event.delta
      part.tokens.push(...event.tokens)
    } else if (event.kind === 'prompt') {
      part.scored.push(...event.tokens)
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      part.finish = { finish_reason: event.finishReason, stop_reason: event.stopReason }
      part.cached = event.usage.cachedTokens
    }
  }
  const cached = prompts.reduce((sum, _, i) => sum + parts[i * best]!.cached, 0)
  return {
    choices: bestOf(parts, best, n).map((part, index) => {
      const prompt = prompts[Math.floor(index / n)]!
      return {
        index,
        text: prompt.echo + part.text,
        logprobs: logprobsOf(shape, [...echoedTokens(shape, prompt, part.scored), ...part.tokens], 0),
        ...part.finish,
        ...(request.prompt_logprobs === undefined
          ? {}
          : { prompt_logprobs: promptLogprobs(text, part.scored, request.prompt_logprobs) }),
      }
    }),
    usage: usageBody(total, generated, cached),
  }
}

async function* chunks(running: Running, head: object, shape: Shape): AsyncGenerator<object, void, undefined> {
  const { request, n, prompts, promptTokens: total } = shape
  const { include_usage: withUsage = false, continuous_usage_stats: always = false } = request.stream_options ?? {}
  let counted = 0
  let generated = 0
  let cached = 0
  /** characters whose log probabilities have been given, and what is known of the prompt, per choice */
  const offsets = prompts.flatMap(() => Array.from({ length: n }, () => 0))
  const scored = prompts.flatMap(() => Array.from({ length: n }, (): TokenOut[] => []))
  const chunk = (index: number, text: string, more: object = {}): object => ({
    ...head,
    choices: [{ index, text, logprobs: null, finish_reason: null, ...more }],
    ...(withUsage ? { usage: always ? usageBody(total, counted) : null } : {}),
  })
  const withTokens = (index: number, text: string, tokens: readonly TokenText[]): object => {
    const logprobs = logprobsOf(shape, tokens, offsets[index]!)
    offsets[index]! += tokens.reduce((sum, token) => sum + token.text.length, 0)
    return chunk(index, text, { logprobs })
  }
  const echoesTokens = request.echo && request.logprobs !== undefined
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.echo === '') continue
    // with log probabilities a prompt comes when they are there; that of one token has none
    if (echoesTokens && prompt.completion.prompt.length > 1) continue
    for (let j = 0; j < n; j++) yield withTokens(i * n + j, prompt.echo, echoedTokens(shape, prompt, []))
  }
  for await (const { index, event } of running.events) {
    if (event.kind === 'text') {
      counted += event.tokens.length
      yield withTokens(index, event.delta, event.tokens)
    } else if (event.kind === 'prompt') {
      scored[index]!.push(...event.tokens)
      const prompt = prompts[Math.floor(index / n)]!
      if (scored[index]!.length === prompt.completion.prompt.length - 1)
        yield withTokens(index, prompt.echo, echoedTokens(shape, prompt, scored[index]!))
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      if (index % n === 0) cached += event.usage.cachedTokens
      yield chunk(index, '', { finish_reason: event.finishReason, stop_reason: event.stopReason })
    }
  }
  if (withUsage) yield { ...head, choices: [], usage: usageBody(total, generated, cached) }
}
