/** One token stream in the engine. */
import type { SamplingParams } from '../../contract/engine.ts'
import type { GenerateRequest } from '../../contract/worker.ts'

export interface Sequence {
  readonly request: GenerateRequest
  /** order of arrival: the oldest is served first and gives up its place last */
  readonly arrival: number
  readonly stopIds: ReadonlySet<number>
  /** most tokens to generate, with what the context and the KV cache allow */
  readonly most: number
  /** dynamic NTK factor, decided by the prompt's length and kept, also over a preemption */
  readonly ropeAlpha: number
  /** prompt, then what was generated */
  readonly tokens: number[]
  /** tokens whose keys and values are in the cache */
  computed: number
  blocks: number[]
  /** content serials of the full blocks at the front */
  serials: number[]
  /** −1 while it waits */
  slot: number
  /** aborted while a step with it was running */
  dead: boolean
}

export function generatedOf(sequence: Sequence): number {
  return sequence.tokens.length - sequence.request.prompt.length
}

/** Dynamic NTK (Qwen1): alpha = max(2^ceil(log2(length / trained) + 1) − 1, 1); 1 where `ntkLength` is 0. */
export function ropeAlphaOf(promptLength: number, ntkLength: number): number {
  if (ntkLength <= 0) return 1
  return Math.max(2 ** Math.ceil(Math.log2(promptLength / ntkLength) + 1) - 1, 1)
}

/** Added to a logit to make it impossible without making the arithmetic infinite. */
const never = -1e9

/** This step's sampling: while fewer than `minTokens` are generated, the ids that would end the sequence are out. */
export function samplingOf(sequence: Sequence): SamplingParams {
  const { sampling, minTokens, ignoreStop } = sequence.request
  if (ignoreStop || generatedOf(sequence) >= minTokens || sequence.stopIds.size === 0) return sampling
  const banned = [...sequence.stopIds].map((id): [number, number] => [id, never])
  return { ...sampling, logitBias: [...sampling.logitBias.filter(([id]) => !sequence.stopIds.has(id)), ...banned] }
}

/** Penalties look at all ids so far; nothing else does. */
export function hasPenalty({ repetitionPenalty, presencePenalty, frequencyPenalty }: SamplingParams): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
}
