/** Log probabilities in OpenAI's two shapes. */
import type { TextTools } from '../serving/text-tools.ts'
import type { TokenOut } from '../contract/worker.ts'
import type { TokenText } from '../serving/completion.ts'

export interface ChatLogprob {
  token: string
  logprob: number
  bytes: number[] | null
}
export interface ChatTokenLogprob extends ChatLogprob {
  top_logprobs: ChatLogprob[]
}

export interface LegacyLogprobs {
  tokens: string[]
  token_logprobs: (number | null)[]
  top_logprobs: (Record<string, number> | null)[]
  text_offset: number[]
}

/** JSON knows no infinity. */
const finite = (logprob: number): number => Math.max(logprob, -9999)
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A token by itself: its text, or its bytes spelled out where they are only part of a character. */
export function tokenName(text: TextTools, id: number, asId = false): string {
  if (asId) return `token_id:${id}`
  const bytes = text.bytes(id)
  if (bytes.length === 0) return text.decode([id], false)
  try {
    return strict.decode(bytes)
  } catch {
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
  }
}

/**
 * Tokens as `logprobs.content`: `token` joined is the content (a token that leaves a character unfinished has '', the
 * one that finishes it has the character), `bytes` joined are the content's bytes.
 */
export function chatLogprobs(
  text: TextTools,
  tokens: readonly TokenText[],
  top: number,
  asId: boolean,
): ChatTokenLogprob[] {
  return tokens.map((token) => ({
    token: asId ? tokenName(text, token.id, true) : token.text,
    logprob: finite(token.logprob),
    bytes: token.cut ? [...new TextEncoder().encode(token.text)] : [...text.bytes(token.id)],
    top_logprobs: token.top.slice(0, top).map(({ id, logprob }) => ({
      token: tokenName(text, id, asId),
      logprob: finite(logprob),
      bytes: [...text.bytes(id)],
    })),
  }))
}

/** vLLM's `prompt_logprobs`: per prompt token, by id, the token itself and the most likely ones; null for the first. */
export type PromptLogprobs = (Record<string, { logprob: number; rank: number | null; decoded_token: string }> | null)[]

export function promptLogprobs(text: TextTools, scored: readonly TokenOut[], top: number): PromptLogprobs {
  const entry = (id: number, logprob: number, rank: number | null) => ({
    logprob: finite(logprob),
    rank,
    decoded_token: tokenName(text, id),
  })
  return [
    null,
    ...scored.map((token) => {
      const tops = token.top.slice(0, top)
      const at = token.top.findIndex(({ id }) => id === token.id)
      return Object.fromEntries([
        [token.id, entry(token.id, token.logprob, at < 0 ? null : at + 1)] as const,
        ...tops.map(({ id, logprob }, n) => [id, entry(id, logprob, n + 1)] as const),
      ])
    }),
  ]
}

/** A prompt's tokens with the texts they bring; the first has no log probability, which stands as NaN here. */
export function promptTokens(text: TextTools, prompt: readonly number[], scored: readonly TokenOut[]): TokenText[] {
  const decoder = text.stream(true)
  const tokens = prompt.map((id, n): TokenText => {
    const { logprob, top } = n === 0 ? { logprob: NaN, top: [] } : scored[n - 1]!
    return { id, logprob, top, text: decoder.push(id), cut: false }
  })
  tokens.at(-1)!.text += decoder.end()
  return tokens
}

/** The legacy shape; `offset` is where the first token's text begins. Up to `top` + 1 candidates: the chosen token is always among them. */
export function legacyLogprobs(
  text: TextTools,
  tokens: readonly TokenText[],
  top: number,
  offset: number,
  asId: boolean,
): LegacyLogprobs {
  const result: LegacyLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] }
  for (const token of tokens) {
    result.tokens.push(asId ? tokenName(text, token.id, true) : token.text)
    const isFirst = Number.isNaN(token.logprob)
    result.token_logprobs.push(isFirst ? null : finite(token.logprob))
    result.top_logprobs.push(
      top === 0 || isFirst
        ? null
        : Object.fromEntries(
            [...token.top.slice(0, top), token].map(({ id, logprob }) => [tokenName(text, id, asId), finite(logprob)]),
          ),
    )
    result.text_offset.push(offset)
    offset += token.text.length
  }
  return result
}
