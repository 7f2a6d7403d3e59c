/** POST /v1/chat/completions. */
import * as z from 'zod/mini'
import type { TokenOut } from '../contract/worker.ts'
import type { CompletionEnd, CompletionParameters, TokenText } from '../serving/completion.ts'
import { prepareCompletion } from '../serving/completion.ts'
import type { ChatMessage, ChatOptions, TextTools } from '../serving/text-tools.ts'
import { createAnswerReader } from './answer.ts'
import type { AnswerEvent } from './answer.ts'
import { choicesOf } from './choices.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { ApiContext, Running, Services } from './exchange.ts'
import { envelope, modelOf, start, streamed } from './exchange.ts'
import type { ChatTokenLogprob } from './logprobs.ts'
import { chatLogprobs, promptLogprobs } from './logprobs.ts'
import { commonFields, commonParameters, commonUnsupported } from './parameters.ts'
import { opensThought } from './reasoning.ts'
import { never, only, parseBody, readBody, refuse } from './requests.ts'
import type { Unsupported } from './requests.ts'
import { callingOf, toolFields } from './tools.ts'
import type { Calling } from './tools.ts'
import { usageBody } from './usage.ts'

const textPart = z.object({ type: z.literal('text'), text: z.string() })
const content = z.union([z.string(), z.array(textPart)])
const toolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
})

const message = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content, name: z.optional(z.string()) }),
  z.object({
    role: z.literal('assistant'),
    content: z.optional(content),
    name: z.optional(z.string()),
    tool_calls: z.optional(z.array(toolCall)),
    reasoning_content: z.optional(z.string()),
    reasoning: z.optional(z.string()),
  }),
  z.object({ role: z.literal('tool'), content, tool_call_id: z.string() }),
])
type Message = z.output<typeof message>

const chatRequest = z.object({
  ...commonFields,
  ...toolFields,
  messages: z.array(message).check(z.minLength(1)),
  max_tokens: z.optional(z.int().check(z.minimum(1))),
  max_completion_tokens: z.optional(z.int().check(z.minimum(1))),
  logprobs: z.optional(z.boolean()),
  top_logprobs: z.optional(z.int().check(z.minimum(0), z.maximum(20))),
  add_generation_prompt: z.optional(z.boolean()),
  chat_template_kwargs: z.optional(z.record(z.string(), z.unknown())),
  reasoning_effort: z.optional(z.string()),
  include_reasoning: z.optional(z.boolean()),
})
type ChatRequest = z.output<typeof chatRequest>

const unsupported: Unsupported = {
  ...commonUnsupported,
  functions: never,
  function_call: never,
  modalities: (value) => Array.isArray(value) && value.every((kind) => kind === 'text'),
  audio: never,
  web_search_options: never,
  documents: never,
  chat_template: never,
  mm_processor_kwargs: never,
  echo: only(false),
  add_special_tokens: only(false),
  continue_final_message: only(false),
}

function messageOf(given: Message, at: number): ChatMessage {
  // templates know no developer: OpenAI's newer name for system
  if (given.role !== 'assistant') return { ...given, role: given.role === 'developer' ? 'system' : given.role }
  const { reasoning, ...rest } = given
  if (given.content === undefined && !given.tool_calls) {
    throw new ApiError(400, `Missing required parameter: 'messages[${at}].content'.`, {
      param: `messages[${at}].content`,
      code: 'missing_required_parameter',
    })
  }
  const thought = given.reasoning_content ?? reasoning
  return { ...rest, content: given.content ?? '', ...(thought === undefined ? {} : { reasoning_content: thought }) }
}

/** Parts other than text are refused by their place before the schema calls them merely invalid. */
function refuseParts(messages: unknown): void {
  if (!Array.isArray(messages)) return
  for (const [at, one] of messages.entries()) {
    const parts: unknown = typeof one === 'object' && one !== null ? (one as { content?: unknown }).content : null
    if (!Array.isArray(parts)) continue
    for (const [part, value] of parts.entries()) {
      const type: unknown = typeof value === 'object' && value !== null ? (value as { type?: unknown }).type : null
      if (typeof type === 'string' && ['image_url', 'input_audio', 'file', 'video_url'].includes(type)) {
        throw new ApiError(400, `This model reads text only: '${type}' is not supported.`, {
          param: `messages[${at}].content[${part}]`,
          code: 'unsupported_content',
        })
      }
    }
  }
}

function parametersOf(request: ChatRequest): CompletionParameters {
  if (request.top_logprobs !== undefined && !request.logprobs) {
    throw new ApiError(400, "'top_logprobs' is only allowed when 'logprobs' is true.", {
      param: 'top_logprobs',
      code: 'invalid_value',
    })
  }
  return {
    ...commonParameters(request),
    maxTokens: request.max_completion_tokens ?? request.max_tokens,
    logprobs: request.logprobs ? (request.top_logprobs ?? 0) : undefined,
  }
}

function optionsOf(request: ChatRequest, calling: Calling | null): ChatOptions {
  return {
    tools: calling?.tools ?? null,
    addGenerationPrompt: request.add_generation_prompt,
    variables: {
      ...(request.reasoning_effort === undefined ? {} : { reasoning_effort: request.reasoning_effort }),
      ...request.chat_template_kwargs,
    },
  }
}

export async function chatCompletions(c: ApiContext, services: Services): Promise<Response> {
  const body = await readBody(c)
  refuse(body, unsupported)
  refuseParts(body['messages'])
  const request = parseBody(chatRequest, body)
  const usage = c.get('usage')
  usage.model = request.model
  const parameters = parametersOf(request)
  const messages = request.messages.map(messageOf)
  const { served, text } = await modelOf(services, request.model)
  const n = request.n ?? 1
  const calling = callingOf(request, messages, text, parameters.grammar !== undefined)
  const grammar = calling?.grammar ?? parameters.grammar
  let completion
  try {
    completion = prepareCompletion(
      served,
      text,
      { messages: calling?.messages ?? messages, options: optionsOf(request, calling), after: calling?.after ?? [] },
      { ...parameters, grammar },
    )
  } catch (error) {
    throw apiErrorOf(error, 'messages')
  }
  usage.promptTokens = completion.prompt.length
  services.metrics.request(completion, n)
  const running = await start(c, services, choicesOf([completion], n, parameters.seed))
  const head = envelope(
    'chatcmpl',
    request.stream ? 'chat.completion.chunk' : 'chat.completion',
    request.model,
    served,
    request.request_id,
  )
  // What must have a form has no room for a thought.
  const opened = grammar === undefined && opensThought(text.decode(completion.prompt.slice(-8), false))
  const promptTokens = completion.prompt.length
  const shape: Shape = { request, text, n, promptTokens, opened, calling: request.tools ? calling : null }
  if (request.stream) return streamed(c, running, chunks(running, head, shape))
  return c.json({ ...head, ...(await whole(running, shape)) })
}

interface Shape {
  request: ChatRequest
  text: TextTools
  n: number
  promptTokens: number
  /** the prompt leaves the model thinking */
  opened: boolean
  /** where functions may be called */
  calling: Calling | null
}

/** An answer that ended with a call ends with `tool_calls`, unless the client named the function. */
function finishOf(end: CompletionEnd, calls: number, calling: Calling | null): object {
  const reason = end.finishReason === 'stop' && calls > 0 && !calling?.isNamed ? 'tool_calls' : end.finishReason
  return { finish_reason: reason, stop_reason: end.stopReason }
}

/** A thought under both names that clients read. */
function thoughtOf(reasoning: string, { include_reasoning: isWanted = true }: ChatRequest): object {
  return reasoning === '' || !isWanted ? {} : { reasoning_content: reasoning, reasoning }
}

function logprobsOf(
  { request, text }: Shape,
  tokens: readonly TokenText[],
): { content: ChatTokenLogprob[]; refusal: null } | null {
  if (!request.logprobs) return null
  return {
    content: chatLogprobs(text, tokens, request.top_logprobs ?? 0, request.return_tokens_as_token_ids ?? false),
    refusal: null,
  }
}

interface ToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

async function whole(running: Running, shape: Shape): Promise<object> {
  const { request, n, promptTokens, opened, calling } = shape
  const parts = Array.from({ length: n }, () => ({
    text: '',
    thought: '',
    calls: [] as ToolCall[],
    reader: createAnswerReader(opened, calling),
    tokens: [] as TokenText[],
    finish: {},
  }))
  const add = (part: (typeof parts)[number], events: readonly AnswerEvent[]): void => {
    for (const event of events) {
      if (event.kind === 'thought') part.thought += event.text
      else if (event.kind === 'text') part.text += event.text
      else if (event.kind === 'arguments') part.calls.at(-1)!.function.arguments += event.text
      else part.calls.push({ id: calling!.id(), type: 'function', function: { name: event.name, arguments: '' } })
    }
  }
  let thinking = 0
  const scored: TokenOut[] = []
  let generated = 0
  let cached = 0
  for await (const { index, event } of running.events) {
    const part = parts[index]!
    if (event.kind === 'text') {
      add(part, part.reader.push(event.delta, event.tokens))
      if (part.reader.thinks) thinking += event.tokens.length
      if (request.logprobs) part.tokens.push(...event.tokens)
    } else if (event.kind === 'prompt') {
      if (index === 0) scored.push(...event.tokens)
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      if (index === 0) cached = event.usage.cachedTokens
      add(part, part.reader.end())
      part.finish = finishOf(event, part.calls.length, calling)
    }
  }
  return {
    choices: parts.map(({ text, thought, calls, tokens, finish }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: calls.length > 0 && text.trim() === '' ? null : text,
        ...thoughtOf(thought, request),
        refusal: null,
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      },
      logprobs: logprobsOf(shape, tokens),
      ...finish,
    })),
    ...(request.prompt_logprobs === undefined
      ? {}
      : { prompt_logprobs: promptLogprobs(shape.text, scored, request.prompt_logprobs) }),
    usage: usageBody(promptTokens, generated, cached, thinking),
  }
}

/** What a piece of an answer is in a chunk. */
function deltaOf(event: AnswerEvent, { request, calling }: Shape): object {
  switch (event.kind) {
    case 'thought':
      return thoughtOf(event.text, request)
    case 'text':
      return { content: event.text }
    case 'call': {
      const call = { index: event.index, id: calling!.id(), type: 'function' }
      return { tool_calls: [{ ...call, function: { name: event.name, arguments: '' } }] }
    }
    case 'arguments':
      return { tool_calls: [{ index: event.index, function: { arguments: event.text } }] }
  }
}

async function* chunks(running: Running, head: object, shape: Shape): AsyncGenerator<object, void, undefined> {
  const { request, n, promptTokens, opened, calling } = shape
  const readers = Array.from({ length: n }, () => createAnswerReader(opened, calling))
  const { include_usage: withUsage = false, continuous_usage_stats: always = false } = request.stream_options ?? {}
  let counted = 0
  let generated = 0
  let cached = 0
  let thinking = 0
  const chunk = (index: number, delta: object, more: object = {}): object => ({
    ...head,
    choices: [{ index, delta, logprobs: null, finish_reason: null, ...more }],
    ...(withUsage ? { usage: always ? usageBody(promptTokens, counted) : null } : {}),
  })
  for (let index = 0; index < n; index++) yield chunk(index, { role: 'assistant', content: '' })
  for await (const { index, event } of running.events) {
    const reader = readers[index]!
    if (event.kind === 'text') {
      counted += event.tokens.length
      const deltas = reader.push(event.delta, event.tokens).map((one) => deltaOf(one, shape))
      if (reader.thinks) thinking += event.tokens.length
      const logprobs = logprobsOf(shape, event.tokens)
      // Log probabilities come with the text, or alone where the text is held back.
      if (logprobs && deltas.length === 0) deltas.push({})
      for (const [at, delta] of deltas.entries()) {
        const own = at === 0 ? logprobs : null
        if (own || Object.keys(delta).length > 0) yield chunk(index, delta, { logprobs: own })
      }
    } else if (event.kind === 'ended') {
      generated += event.usage.completionTokens
      if (index === 0) cached = event.usage.cachedTokens
      for (const one of reader.end()) {
        const delta = deltaOf(one, shape)
        if (Object.keys(delta).length > 0) yield chunk(index, delta)
      }
      yield chunk(index, {}, finishOf(event, reader.calls, calling))
    }
  }
  if (withUsage) yield { ...head, choices: [], usage: usageBody(promptTokens, generated, cached, thinking) }
}
