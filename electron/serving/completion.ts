/** From messages to text: the one pipeline under the OpenAI port and the chat window. */
import type { SamplingParams } from '../contract/engine.ts'
import { defaultSampling } from '../contract/engine.ts'
import type { Problem } from '../contract/errors.ts'
import { LanyardError, problemOf } from '../contract/errors.ts'
import type { TokenOut } from '../contract/worker.ts'
import type { Served, TokenRequest } from './served.ts'
import type { StopMatcher } from './stop-strings.ts'
import { createStopMatcher } from './stop-strings.ts'
import type { ChatMessage, ChatOptions, TextTools } from './text-tools.ts'

/** A conversation through the model's template, a text as it is, or ids as they are. */
export type CompletionInput =
  /** `after`: ids that the answer is made to begin with; they are part of the prompt */
  | { messages: readonly ChatMessage[]; options?: ChatOptions; after?: readonly number[] }
  | { text: string; special: boolean }
  | { ids: readonly number[] }

/** Everything absent takes the model's generation_config.json, then OpenAI's default. */
export interface CompletionParameters {
  /** absent = up to the end of the context; always held to the context */
  maxTokens?: number
  /** keep the last so many prompt tokens; absent = the prompt is never cut */
  truncatePrompt?: number
  stop?: readonly string[]
  stopIds?: readonly number[]
  /** no stop counts before so many tokens */
  minTokens?: number
  /** generate past the model's stop ids */
  ignoreStop?: boolean
  /** put the stop string that ended the answer into the text */
  includeStop?: boolean
  /** leave special tokens out of the text (default true) */
  skipSpecial?: boolean
  temperature?: number
  topP?: number
  /** ≤ 0 = off */
  topK?: number
  minP?: number
  repetitionPenalty?: number
  presencePenalty?: number
  frequencyPenalty?: number
  /** 0 … 2^53 − 1 */
  seed?: number
  logitBias?: readonly (readonly [id: number, bias: number])[]
  /** no other id is ever sampled */
  allowedIds?: readonly number[]
  /** texts that never come, with or without a space before them */
  badWords?: readonly string[]
  /** the form that the text must have (electron/grammar/parse.ts) */
  grammar?: string
  /** candidates to report at each token; absent = no log probabilities */
  logprobs?: number
  /** the same at each token of the prompt; with `maxTokens` 0 the prompt is only scored */
  promptLogprobs?: number
}

/** A token whose text has been given. Joined, the texts are the answer's text. */
export interface TokenText extends TokenOut {
  /** the text this token brought; '' while a character is unfinished */
  text: string
  /** cut where a stop string begins: `text` is less than what the token stands for */
  cut: boolean
}

export interface Usage {
  promptTokens: number
  /** of these, found in the cache */
  cachedTokens: number
  completionTokens: number
}

export interface Timing {
  /** from the start to the first token, ms; null without tokens */
  firstTokenMs: number | null
  /** from the start to the end, ms */
  totalMs: number
  /** after the first token; 0 for fewer than two tokens */
  tokensPerSecond: number
}

export interface CompletionEnd {
  kind: 'ended'
  finishReason: 'stop' | 'length' | 'aborted' | 'failed'
  /** the stop string, or a stop id that the request asked for; null for the model's own end */
  stopReason: string | number | null
  usage: Usage
  timing: Timing
  problem: Problem | null
}

export type CompletionEvent =
  | { kind: 'waiting'; queued: number; promptDone: number; promptTotal: number }
  /** log probabilities of the prompt's tokens from the second on, in order */
  | { kind: 'prompt'; tokens: TokenOut[] }
  | { kind: 'text'; delta: string; tokens: TokenText[] }
  | CompletionEnd

/** A checked request, ready to generate any number of times. */
export interface Completion {
  readonly served: Served
  readonly prompt: readonly number[]
  readonly maxTokens: number
  /** The last event is `ended`. Leaving the loop or aborting ends the generation on the machines. */
  run(signal: AbortSignal, choice?: { seed?: number }): AsyncGenerator<CompletionEvent, void, undefined>
}

function samplingOf(text: TextTools, p: CompletionParameters): SamplingParams {
  const { defaults } = text
  return {
    temperature: p.temperature ?? defaults.temperature ?? defaultSampling.temperature,
    topP: p.topP ?? defaults.topP ?? defaultSampling.topP,
    topK: Math.max(0, p.topK ?? defaults.topK ?? defaultSampling.topK),
    minP: p.minP ?? defaults.minP ?? defaultSampling.minP,
    repetitionPenalty: p.repetitionPenalty ?? defaults.repetitionPenalty ?? defaultSampling.repetitionPenalty,
    presencePenalty: p.presencePenalty ?? defaultSampling.presencePenalty,
    frequencyPenalty: p.frequencyPenalty ?? defaultSampling.frequencyPenalty,
    seed: p.seed ?? null,
    logitBias: (p.logitBias ?? []).map(([id, bias]) => [id, bias]),
    allowedIds: p.allowedIds ? [...p.allowedIds] : null,
    logprobs: p.logprobs ?? -1,
  }
}

/** The ids of each bad word as it stands after other text and at a beginning. */
function badWordsOf(text: TextTools, words: readonly string[]): number[][] {
  const found = new Map<string, number[]>()
  for (const word of words) {
    for (const form of [word, ` ${word.trimStart()}`]) {
      const ids = text.encode(form, false)
      if (ids.length > 0) found.set(ids.join(), ids)
    }
  }
  return [...found.values()]
}

function promptOf(text: TextTools, input: CompletionInput): number[] {
  if ('messages' in input) return [...text.chat(input.messages, input.options), ...(input.after ?? [])]
  if ('ids' in input) return [...input.ids]
  return text.encode(input.text, input.special)
}

/**
 * Renders, encodes and checks a request; generates nothing yet. Throws `context_length_exceeded` when the prompt
 * leaves no room for one token (a prompt is never cut unless the request says so), `bad_request` for ids outside the
 * vocabulary or an empty prompt. An answer that would not fit is held to the end of the context.
 */
export function prepareCompletion(
  served: Served,
  text: TextTools,
  input: CompletionInput,
  parameters: CompletionParameters = {},
): Completion {
  const whole = promptOf(text, input)
  const prompt = parameters.truncatePrompt === undefined ? whole : whole.slice(-parameters.truncatePrompt)
  if (prompt.length === 0)
    throw new LanyardError('bad_request', 'The prompt is empty.', 'Send at least one token of text.')
  const strange = [
    ...prompt,
    ...(parameters.logitBias ?? []).map(([id]) => id),
    ...(parameters.stopIds ?? []),
    ...(parameters.allowedIds ?? []),
  ].find((id) => !Number.isInteger(id) || id < 0 || id >= text.vocab)
  if (strange !== undefined) {
    throw new LanyardError(
      'bad_request',
      `${strange} is not a token id of ${served.name}: its ids are 0 to ${text.vocab - 1}.`,
    )
  }
  const room = served.context - prompt.length
  if (room < 1) {
    throw new LanyardError(
      'context_length_exceeded',
      `The prompt has ${prompt.length} tokens, but the context of ${served.name} is ${served.context} tokens, prompt and answer together.`,
      'Shorten the conversation, or serve the model with a larger context.',
    )
  }
  const maxTokens = Math.min(parameters.maxTokens ?? room, room)

  // A stop that is a special token never shows up in the text: it is matched by id as well.
  const stops = [...new Set(parameters.stop ?? [])].filter((stop) => stop !== '')
  const asked = new Map<number, string | number>((parameters.stopIds ?? []).map((id) => [id, id]))
  for (const stop of stops) {
    const id = text.specialId(stop)
    if (id !== null) asked.set(id, stop)
  }
  const own = parameters.ignoreStop ? [] : text.stopIds
  const stopIds = [...new Set([...own, ...asked.keys()])]
  const request: TokenRequest = {
    prompt,
    maxTokens,
    stopIds,
    minTokens: Math.min(parameters.minTokens ?? 0, maxTokens),
    // only true when nothing at all may stop the tokens: ids asked for still count under `ignoreStop`
    ignoreStop: stopIds.length === 0,
    sampling: samplingOf(text, parameters),
  }
  if (parameters.badWords && parameters.badWords.length > 0) request.badWords = badWordsOf(text, parameters.badWords)
  if (parameters.grammar !== undefined) request.grammar = { ebnf: parameters.grammar, stopIds: [...text.stopIds] }
  if (parameters.promptLogprobs !== undefined) request.promptLogprobs = parameters.promptLogprobs
  return {
    served,
    prompt,
    maxTokens,
    run: (signal, choice) =>
      generate(
        served,
        text,
        choice?.seed === undefined ? request : { ...request, sampling: { ...request.sampling, seed: choice.seed } },
        { ...parameters, stops, asked },
        signal,
      ),
  }
}

const noBytes = new Uint8Array()

type RunParameters = CompletionParameters & { stops: string[]; asked: Map<number, string | number> }

/** Do the bytes end with the beginning of a UTF-8 sequence? */
function endsInsideCharacter(bytes: Uint8Array): boolean {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return false
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2)
  }
  return false
}

/** Tokens that wait for their text to be given, because it may be the beginning of a stop string. */
function createTokenQueue() {
  let waiting: TokenText[] = []
  /** characters given of the first waiting token */
  let given = 0
  /** the newest token begins a character: text may still be added to it */
  let open = false
  return {
    add(token: TokenText, bytes: Uint8Array): void {
      waiting.push(token)
      open = endsInsideCharacter(bytes)
    },
    /** text that came without a token of its own: the replacement for a character that was never finished */
    addTail(text: string): void {
      const last = waiting.at(-1)
      if (last) last.text += text
    },
    /** Those whose text is whole within the next `length` characters; the `last` time the rest is cut to what was given. */
    take(length: number, last: boolean): TokenText[] {
      const out: TokenText[] = []
      given += length
      while (waiting[0] && waiting[0].text.length <= given) {
        // an unfinished character's bytes go with the token that finishes it
        if (!last && (given === 0 || (open && waiting.length === 1))) break
        const token = waiting.shift()!
        given -= token.text.length
        out.push(token)
      }
      if (last) {
        const part = waiting[0]
        if (part && given > 0) out.push({ ...part, text: part.text.slice(0, given), cut: true })
        waiting = []
      }
      return out
    },
  }
}

async function* generate(
  served: Served,
  text: TextTools,
  request: TokenRequest,
  p: RunParameters,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent, void, undefined> {
  const started = performance.now()
  let firstAt: number | null = null
  let lastAt = started
  let count = 0
  let cachedTokens = 0
  const stopping = new AbortController()
  const linked = AbortSignal.any([signal, stopping.signal])
  const end = (
    finishReason: CompletionEnd['finishReason'],
    stopReason: CompletionEnd['stopReason'],
    problem: Problem | null = null,
  ): CompletionEnd => ({
    kind: 'ended',
    finishReason,
    stopReason,
    problem,
    usage: { promptTokens: request.prompt.length, cachedTokens, completionTokens: count },
    timing: {
      firstTokenMs: firstAt === null ? null : firstAt - started,
      totalMs: performance.now() - started,
      tokensPerSecond: firstAt !== null && lastAt > firstAt ? (count - 1) / ((lastAt - firstAt) / 1000) : 0,
    },
  })
  const scoresOnly = request.maxTokens === 0 && request.promptLogprobs !== undefined && request.prompt.length > 1
  if (request.maxTokens === 0 && !scoresOnly) return yield end('length', null)
  let scored = 1

  const decoder = text.stream(p.skipSpecial ?? true)
  const matcher: StopMatcher = createStopMatcher(p.stops)
  const queue = createTokenQueue()
  const withLogprobs = request.sampling.logprobs >= 0
  const stopIds = new Set(request.stopIds)
  /** Text with its tokens, when there is something to give: log probabilities may come after their text. */
  function* give(delta: string, last: boolean): Generator<CompletionEvent> {
    const tokens = queue.take(delta.length, last)
    if (delta !== '' || (tokens.length > 0 && withLogprobs)) yield { kind: 'text', delta, tokens }
  }
  /** Adds a piece of text; the stop string it completed, if any. */
  const match = (piece: string): { delta: string; stop: string | null } => {
    // text before `minTokens` neither is nor begins a stop
    if (count <= request.minTokens) return { delta: piece, stop: null }
    const { text: delta, stop } = matcher.push(piece)
    return { delta: stop !== null && p.includeStop ? delta + stop : delta, stop }
  }
  try {
    for await (const event of served.generate(scoresOnly ? { ...request, maxTokens: 1 } : request, linked)) {
      if (event.kind === 'waiting') {
        yield event
        continue
      }
      if (event.kind === 'prompt') {
        yield event
        scored += event.tokens.length
        if (scoresOnly && scored >= request.prompt.length) return yield end('length', null)
        continue
      }
      if (event.kind === 'tokens') {
        lastAt = performance.now()
        firstAt ??= lastAt
        let delta = ''
        let ended: { stopReason: string | number | null } | null = null
        for (const token of event.tokens) {
          count++
          if (count > request.minTokens && stopIds.has(token.id)) {
            ended = { stopReason: p.asked.get(token.id) ?? null }
            break
          }
          const piece = decoder.push(token.id)
          queue.add({ ...token, text: piece, cut: false }, withLogprobs ? text.bytes(token.id) : noBytes)
          const given = match(piece)
          delta += given.delta
          if (given.stop !== null) {
            yield* give(delta, true)
            return yield end('stop', given.stop)
          }
        }
        if (ended) {
          yield* give(delta + flush(), true)
          return yield end('stop', ended.stopReason)
        }
        yield* give(delta, false)
        continue
      }
      cachedTokens = event.cachedTokens ?? 0
      yield* give(flush(), true)
      if (event.reason === 'stop' && event.stopId !== null) {
        // the token that stops is part of what was generated, reported as a token or not
        count++
        return yield end('stop', p.asked.get(event.stopId) ?? null)
      }
      return yield end(event.reason, null, event.problem)
    }
    const missing = { code: 'internal', message: 'The generation ended without saying why.', hint: '' } as const
    yield end(signal.aborted ? 'aborted' : 'failed', null, signal.aborted ? null : missing)
  } catch (error) {
    yield end(signal.aborted ? 'aborted' : 'failed', null, signal.aborted ? null : problemOf(error))
  } finally {
    stopping.abort()
  }

  /** The rest of the text when nothing more comes: an unfinished character, then what may have become a stop string. */
  function flush(): string {
    const tail = decoder.end()
    queue.addTail(tail)
    const { text: given, stop } = matcher.push(tail)
    return stop === null ? given + matcher.end() : given
  }
}
