/**
 * For tests: a "model" whose next token is a hash of the whole sequence as it lies in the KV blocks, and of the rope
 * factor it was written with. A wrong block, a skipped or repeated position, a block reused too early: each gives
 * other tokens.
 */
import type { SampledToken, SequenceStep } from '../rank/addon.ts'

export const simulatedVocab = 97

const mix = (hash: number, value: number): number => {
  const next = Math.imul(hash ^ value, 0x01000193)
  return next ^ (next >>> 13)
}

/** The token after `tokens`. */
export function nextToken(tokens: readonly number[], ropeAlpha: number, drawn: number): number {
  let hash = mix(0x811c9dc5, ropeAlpha)
  for (const token of tokens) hash = mix(hash, token)
  return (mix(hash, drawn) >>> 0) % simulatedVocab
}

/** What one sequence alone generates: the truth that every way of scheduling must reproduce. */
export function generateAlone(
  request: { prompt: number[]; maxTokens: number; stopIds: number[]; minTokens: number; ignoreStop: boolean },
  ropeAlpha: number,
): { tokens: number[]; reason: 'stop' | 'length' } {
  const all = [...request.prompt]
  const tokens: number[] = []
  while (tokens.length < request.maxTokens) {
    const id = nextToken(all, ropeAlpha, tokens.length)
    const isStop = !request.ignoreStop && tokens.length >= request.minTokens && request.stopIds.includes(id)
    if (isStop) return { tokens, reason: 'stop' }
    tokens.push(id)
    all.push(id)
  }
  return { tokens, reason: 'length' }
}

/** KV memory of `blocks` × `blockSize` positions, and steps on it. */
export function createSimulatedModel(
  blocks: number,
  blockSize: number,
): { step(sequences: SequenceStep[]): SampledToken[] } {
  const written = new Int32Array(blocks * blockSize).fill(-1)
  const alphas = new Float64Array(blocks * blockSize)
  const at = (step: SequenceStep, position: number): number => {
    const block = step.blocks[Math.floor(position / blockSize)]
    if (block === undefined || block < 0 || block >= blocks)
      throw new Error(`Position ${position} of slot ${step.slot} has no block.`)
    return block * blockSize + (position % blockSize)
  }
  return {
    step(sequences) {
      const slots = new Set(sequences.map((step) => step.slot))
      if (slots.size !== sequences.length) throw new Error('Two sequences share a slot.')
      const cells = new Set<number>()
      for (const step of sequences) {
        for (let n = 0; n < step.tokens.length; n++) {
          const cell = at(step, step.start + n)
          if (cells.has(cell)) throw new Error('Two sequences write to one place.')
          cells.add(cell)
          written[cell] = step.tokens[n]!
          alphas[cell] = step.ropeAlpha
        }
      }
      return sequences
        .filter((step) => step.sample)
        .map((step) => {
          const content: number[] = []
          for (let position = 0; position < step.start + step.tokens.length; position++) {
            const cell = at(step, position)
            if (alphas[cell] !== step.ropeAlpha)
              throw new Error(`Position ${position} was written with another rope factor.`)
            content.push(written[cell]!)
          }
          return { slot: step.slot, id: nextToken(content, step.ropeAlpha, step.drawn), logprob: -1, top: [] }
        })
    },
  }
}
