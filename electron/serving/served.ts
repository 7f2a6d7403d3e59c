/** What the OpenAI port and the chat window see of a deployment: token ids in, tokens out. */
import type { SamplingParams } from '../contract/engine.ts'
import type { Problem } from '../contract/errors.ts'
import type { Model } from '../contract/model.ts'
import type { TokenOut } from '../contract/worker.ts'

export interface TokenRequest {
  prompt: number[]
  /** most tokens to generate; the caller has already held it against the context */
  maxTokens: number
  stopIds: number[]
  minTokens: number
  ignoreStop: boolean
  /** sequences of ids that never come whole */
  badWords?: number[][]
  /** tokens to report log probabilities for at each token of the prompt; absent = none */
  promptLogprobs?: number
  /** the form that the text must have; see GenerateRequest */
  grammar?: { ebnf: string; stopIds: number[] }
  sampling: SamplingParams
}

export type GenerateEvent =
  /** place in the queue (0 = being read) and how much of the prompt has been read */
  | { kind: 'waiting'; queued: number; promptDone: number; promptTotal: number }
  /** log probabilities of the prompt's tokens from the second on, in order, where they were asked for */
  | { kind: 'prompt'; tokens: TokenOut[] }
  | { kind: 'tokens'; tokens: TokenOut[] }
  | {
      kind: 'ended'
      reason: 'stop' | 'length' | 'aborted' | 'failed'
      stopId: number | null
      /** prompt tokens that were found in the cache */
      cachedTokens?: number
      problem: Problem | null
    }

/** A deployment that is serving. */
export interface Served {
  /** served model name */
  readonly name: string
  readonly model: Model
  /** most positions of one sequence, prompt and answer together */
  readonly context: number
  readonly readyAt: number
  /** starts when it is asked, so it stands behind what the user serves */
  readonly onDemand: boolean
  /**
   * Starts a generation. The last event is always `ended` (a lost rank is `ended` with reason `failed` and the
   * problem). Aborting the signal, or leaving the loop early, ends the generation on the machines too.
   */
  generate(request: TokenRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>
}

export interface ServedModels {
  /** those that are serving now, oldest first */
  list(): Served[]
  /** Throws `not_found` for an unknown name, `deployment_not_ready` while it loads. */
  get(name: string): Served
}
