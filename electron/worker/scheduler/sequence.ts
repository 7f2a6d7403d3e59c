/** One token stream in the engine. */
import type { SamplingParams } from '../../contract/engine.ts'
import type { GenerateRequest } from '../../contract/worker.ts'
import type { Mask } from '../../grammar/masks.ts'
import type { Acceptance } from './speculation.ts'

/** Which tokens may come next, decided elsewhere token by token. */
export interface Constraint {
  /** null while it is not known */
  readonly mask: Mask | null
  take(token: number): void
  close(): void
}

export interface Sequence {
  readonly request: GenerateRequest
  readonly constraint: Constraint | null
  /** order of arrival: the oldest is served first and gives up its place last */
  readonly arrival: number
  readonly stopIds: ReadonlySet<number>
  /** most tokens to generate, with what the context and the KV cache allow */
  readonly most: number
  /** dynamic NTK factor, decided by the prompt's length and kept, also over a preemption */
  readonly ropeAlpha: number
  /** prompt, then what was generated */
  readonly tokens: number[]
  /** tokens that steps in flight will add: 1 when it is in one that samples */
  coming: number
  /** tokens whose keys and values are in the cache */
  computed: number
  /** the same when the steps in flight have ended */
  planned: number
  blocks: number[]
  /** content serials of the full blocks at the front */
  serials: number[]
  /** −1 while it waits */
  slot: number
  /** counts its stays in a slot: what a step of an earlier stay has computed is gone */
  stay: number
  /** what the engine holds for the slot: KV blocks, and ids where penalties need them */
  sent: { blocks: number; history: number }
  /** the next prompt token whose log probability is to be told, where they are wanted */
  scored: number
  /** prompt tokens that were found in the cache when it was first admitted; −1 before */
  cached: number
  /** how often what was guessed for it came true */
  acceptance: Acceptance
  /** ended or aborted: what steps in flight bring for it is dropped */
  over: boolean
}

export function generatedOf(sequence: Sequence): number {
  return sequence.tokens.length - sequence.request.prompt.length
}

/** tokens when the steps in flight have ended */
export function lengthOf({ tokens, coming }: Sequence): number {
  return tokens.length + coming
}

/** Will it have ended with what is in flight? */
export function isFinishing(sequence: Sequence): boolean {
  return generatedOf(sequence) + sequence.coming >= sequence.most
}

/** Must its next token wait until it is known what that may be? */
export function isHeld({ constraint }: Sequence): boolean {
  return constraint !== null && constraint.mask === null
}

export function isGenerating(sequence: Sequence): boolean {
  return lengthOf(sequence) - sequence.planned === 1
}

/** Are there prompt tokens whose log probabilities are still to be told? */
export function wantsScores({ request, scored }: Sequence): boolean {
  return (request.promptLogprobs ?? -1) >= 0 && scored < request.prompt.length
}

/** Dynamic NTK (Qwen1): alpha = max(2^ceil(log2(length / trained) + 1) − 1, 1); 1 where `ntkLength` is 0. */
export function ropeAlphaOf(promptLength: number, ntkLength: number): number {
  if (ntkLength <= 0) return 1
  return Math.max(2 ** Math.ceil(Math.log2(promptLength / ntkLength) + 1) - 1, 1)
}

/** Added to a logit to make it impossible without making the arithmetic infinite. */
const never = -1e9

/** The next token's sampling: without the ids that may not come now. */
export function samplingOf(sequence: Sequence): SamplingParams {
  const { sampling } = sequence.request
  const banned = bannedNow(sequence)
  if (banned.size === 0) return sampling
  return {
    ...sampling,
    logitBias: [
      ...sampling.logitBias.filter(([id]) => !banned.has(id)),
      ...[...banned].map((id): [number, number] => [id, never]),
    ],
    allowedIds: sampling.allowedIds?.filter((id) => !banned.has(id)) ?? null,
  }
}

/** Stop ids while fewer than `minTokens` are there, and the ids that would complete a bad word. */
function bannedNow(sequence: Sequence): Set<number> {
  const { minTokens, ignoreStop, badWords } = sequence.request
  const banned = new Set<number>()
  if (!ignoreStop && generatedOf(sequence) + sequence.coming < minTokens)
    for (const id of sequence.stopIds) banned.add(id)
  const { tokens } = sequence
  for (const word of badWords ?? []) {
    const before = word.length - 1
    let fits = before <= tokens.length
    for (let n = 0; fits && n < before; n++) fits = tokens[tokens.length - before + n] === word[n]
    if (fits) banned.add(word[before]!)
  }
  return banned
}

/** Is what may come next only known when the token before it is? */
export function hangsOnLast({ constraint, request: { badWords } }: Sequence): boolean {
  if (constraint) return true
  return badWords?.some((word) => word.length > 1) ?? false
}

/** May several tokens be sampled at once, by the same rules for all of them? */
export function isUniform(sequence: Sequence): boolean {
  const { minTokens, ignoreStop } = sequence.request
  return !hangsOnLast(sequence) && (ignoreStop || generatedOf(sequence) >= minTokens)
}

/** Penalties look at all ids so far; nothing else does. */
export function hasPenalty({ repetitionPenalty, presencePenalty, frequencyPenalty }: SamplingParams): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
}
