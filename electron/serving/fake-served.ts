/** For tests only: a deployment that gives scripted tokens, and a tokenizer small enough to read. */
import type { Model } from '../contract/model.ts'
import type { Problem } from '../contract/errors.ts'
import { LanyardError } from '../contract/errors.ts'
import type { GenerateEvent, Served, ServedModels, TokenRequest } from './served.ts'
import type { TextTools } from './text-tools.ts'

const specials = ['<|im_start|>', '<|im_end|>', '<|endoftext|>']
export const imStart = 256
export const imEnd = 257
export const endOfText = 258

/**
 * Ids 0–255 are bytes, 256–258 ChatML's specials, from 259 on the given words. `stopIds` are those of ChatML.
 * Words are never chosen by `encode`: they are for scripts.
 */
export function fakeText(words: readonly string[] = [], defaults: TextTools['defaults'] = {}): TextTools {
  const encoder = new TextEncoder()
  const bytes = (id: number): Uint8Array => {
    if (id < 256) return Uint8Array.of(id)
    const word = words[id - 259]
    return word === undefined ? new Uint8Array() : encoder.encode(word)
  }
  const plain = (text: string): number[] => [...encoder.encode(text)]
  const encode = (text: string, special: boolean): number[] => {
    if (!special) return plain(text)
    return text.split(/(<\|im_start\|>|<\|im_end\|>|<\|endoftext\|>)/).flatMap((part) => {
      const at = specials.indexOf(part)
      return at < 0 ? plain(part) : [256 + at]
    })
  }
  const stream: TextTools['stream'] = (skipSpecial) => {
    const decoder = new TextDecoder()
    return {
      push(id) {
        const special = specials[id - 256]
        if (special === undefined) return decoder.decode(bytes(id), { stream: true })
        return decoder.decode() + (skipSpecial ? '' : special)
      },
      end: () => decoder.decode(),
    }
  }
  return {
    vocab: 259 + words.length,
    callStyle: 'hermes',
    stopIds: [imEnd, endOfText],
    defaults,
    chat: (messages) => [
      ...messages.flatMap((m) => [imStart, ...plain(`${m.role}\n${String(m.content)}`), imEnd, ...plain('\n')]),
      imStart,
      ...plain('assistant\n'),
    ],
    encode,
    decode(ids, skipSpecial) {
      const s = stream(skipSpecial)
      return ids.map((id) => s.push(id)).join('') + s.end()
    },
    stream,
    specialId: (text) => (specials.includes(text) ? 256 + specials.indexOf(text) : null),
    bytes,
  }
}

/** Ids that spell a text, a byte each. */
export function spell(text: string): number[] {
  return [...new TextEncoder().encode(text)]
}

export interface Script {
  /** the tokens, in steps of one unless nested; the default echoes the prompt's last 8 ids */
  tokens?: (request: TokenRequest) => readonly (number | readonly number[])[]
  /** awaited before each step: tests decide when a token comes */
  gate?: (step: number, signal: AbortSignal) => Promise<void>
  /** ends the generation this way after the tokens */
  failure?: Problem
  context?: number
  /** prompt tokens that are said to have been found in the cache */
  cachedTokens?: number
  /** the token that stops is reported among the tokens as well */
  reportsStop?: boolean
}

export interface FakeServed extends Served {
  /** every request that came, oldest first */
  readonly requests: TokenRequest[]
  /** generations that were ended before their script was */
  readonly left: number
  /** resolves when a generation has been left */
  leaving(): Promise<void>
}

export function fakeModel(name: string): Model {
  return {
    id: `id-${name}`,
    name,
    path: '/nowhere',
    architecture: 'FakeForCausalLM',
    family: 'fake',
    parameters: 1,
    bytes: 2,
    dtype: 'bf16',
    context: 4096,
    layers: 1,
    hidden: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 1,
    vocab: 259,
    fingerprint: '0',
    tokenizer: 'tokenizer.json',
    hasTemplate: true,
    purpose: '',
    addedAt: 0,
  }
}

/** A deployment that gives what the script says, obeying maxTokens, stop ids and abort as a real one does. */
export function fakeServed(name: string, script: Script = {}): FakeServed {
  const requests: TokenRequest[] = []
  let left = 0
  let wake: (() => void)[] = []

  async function* generate(request: TokenRequest, signal: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    requests.push(request)
    const ended = (reason: 'stop' | 'length' | 'aborted' | 'failed', stopId: number | null = null): GenerateEvent => ({
      kind: 'ended',
      reason,
      stopId,
      cachedTokens: script.cachedTokens ?? 0,
      problem: reason === 'failed' ? (script.failure ?? null) : null,
    })
    let whole = false
    try {
      yield { kind: 'waiting', queued: 0, promptDone: request.prompt.length, promptTotal: request.prompt.length }
      const { promptLogprobs } = request
      if (promptLogprobs !== undefined) {
        const tokens = request.prompt.slice(1).map((id, n) => ({
          id,
          logprob: -(n + 1) / 4,
          top: Array.from({ length: promptLogprobs }, (_, i) => ({ id: (id + i) % 256, logprob: -(n + 1) / 4 - i })),
        }))
        yield { kind: 'prompt', tokens: tokens.slice(0, 2) }
        if (tokens.length > 2) yield { kind: 'prompt', tokens: tokens.slice(2) }
      }
      let count = 0
      const steps = script.tokens?.(request) ?? request.prompt.slice(-8)
      for (const [at, step] of steps.entries()) {
        await script.gate?.(at, signal)
        if (signal.aborted) return yield ended('aborted')
        const tokens = []
        let reason: GenerateEvent | null = null
        for (const id of typeof step === 'number' ? [step] : step) {
          const stops = !request.ignoreStop && count >= request.minTokens && request.stopIds.includes(id)
          if (!stops || script.reportsStop) {
            const top = Array.from({ length: Math.max(0, request.sampling.logprobs) }, (_, i) => ({
              id: i === 0 ? id : (id + i) % 256,
              logprob: -0.5 - i,
            }))
            tokens.push({ id, logprob: -0.5, top })
            count++
          }
          reason = stops ? ended('stop', id) : count === request.maxTokens ? ended('length') : null
          if (reason) break
        }
        if (tokens.length > 0) yield { kind: 'tokens', tokens }
        if (reason) {
          whole = true
          return yield reason
        }
      }
      whole = true
      yield ended(script.failure ? 'failed' : 'length')
    } finally {
      if (!whole) {
        left++
        for (const f of wake) f()
        wake = []
      }
    }
  }

  return {
    name,
    model: fakeModel(name),
    context: script.context ?? 4096,
    readyAt: 1_700_000_000_000,
    onDemand: false,
    generate,
    requests,
    get left() {
      return left
    },
    leaving: () =>
      new Promise((resolve) => {
        wake.push(resolve)
      }),
  }
}

export function fakeModels(...all: Served[]): ServedModels {
  return {
    list: () => all,
    get(name) {
      const found = all.find((s) => s.name === name)
      if (found) return found
      if (name === 'loading')
        throw new LanyardError('deployment_not_ready', 'loading is still loading.', 'Wait until it serves.')
      throw new LanyardError(
        'not_found',
        `No model is served under the name ${name}.`,
        'GET /v1/models lists those that are.',
      )
    },
  }
}
