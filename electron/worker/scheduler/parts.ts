/** What a sequence contributes to a step: decided here, and put into the engine's words. */
import { fromSlot } from '../rank/addon.ts'
import type { SequenceStep } from '../rank/addon.ts'
import { generatedOf, hasPenalty, lengthOf, samplingOf, wantsScores } from './sequence.ts'
import type { Sequence } from './sequence.ts'

/** A sequence's part of a step. */
export interface Part {
  readonly sequence: Sequence
  readonly count: number
  readonly stay: number
  /** prompt tokens whose log probabilities come first */
  readonly scored: number
  /** is a token sampled, and at these guesses behind it */
  readonly samples: boolean
  readonly guesses: readonly number[]
}

/** `count` tokens that follow on what is planned already, and guesses behind them. */
export function partOf(sequence: Sequence, count: number, guesses: readonly number[]): Part {
  const end = sequence.planned + count
  const isLast = end === lengthOf(sequence)
  const lastScored = Math.min(end, sequence.request.prompt.length - 1)
  const scored = wantsScores(sequence) ? Math.max(0, lastScored - Math.max(sequence.planned, sequence.scored - 1)) : 0
  return {
    sequence,
    count: count + guesses.length,
    stay: sequence.stay,
    scored,
    samples: isLast,
    guesses,
  }
}

/** The part as the engine takes it; from now on the sequence counts it as planned. */
export function stepOf({ sequence, count, scored, samples, guesses }: Part): SequenceStep {
  const { tokens, planned, blocks, request, sent, coming } = sequence
  const steps = tokens.slice(planned, planned + count - guesses.length)
  if (planned === tokens.length) steps.push(fromSlot)
  steps.push(...guesses)
  const { promptLogprobs = -1 } = request
  const sampling = samples ? samplingOf(sequence) : request.sampling
  const keepsHistory = samples && hasPenalty(request.sampling)
  const history = keepsHistory ? tokens.slice(sent.history) : null
  if (history && coming > 0) history.push(fromSlot)
  history?.push(...guesses)
  const end = samples ? request.prompt.length - 1 : planned + count
  const step: SequenceStep = {
    slot: sequence.slot,
    tokens: steps,
    start: planned,
    blocksKept: sent.blocks,
    blocks: blocks.slice(sent.blocks),
    ropeAlpha: sequence.ropeAlpha,
    sample:
      scored > 0 ? { ...sampling, logprobs: Math.max(sampling.logprobs, promptLogprobs) } : samples ? sampling : null,
    rows: scored + (samples ? 1 + guesses.length : 0),
    targets: scored > 0 ? request.prompt.slice(end - scored + 1, end + 1) : null,
    historyKept: sent.history,
    history,
    promptLength: request.prompt.length,
    drawn: generatedOf(sequence) + coming,
    mask: samples ? (sequence.constraint?.mask ?? null) : null,
  }
  sequence.planned += count
  sent.blocks = blocks.length
  if (history) sent.history += history.length
  if (samples) sequence.coming++
  return step
}
