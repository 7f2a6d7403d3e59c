/**
 * For tests: a "model" whose next token is a hash of the whole sequence as it lies in the KV blocks, and of the rope
 * factor it was written with. A wrong block, a skipped or repeated position, a block reused too early: each gives
 * other tokens.
 */
import { fromSlot } from '../rank/addon.ts'
import type { SampledToken, SequenceStep } from '../rank/addon.ts'

export const simulatedVocab = 97

const mix = (hash: number, value: number): number => {
  const next = Math.imul(hash ^ value, 0x01000193)
  return next ^ (next >>> 13)
}

/** The token after `tokens`: as if by chance, but three of four times counting on, so that texts repeat themselves. */
export function nextToken(tokens: readonly number[], ropeAlpha: number, drawn: number): number {
  let hash = mix(0x811c9dc5, ropeAlpha)
  for (const token of tokens) hash = mix(hash, token)
  hash = mix(hash, drawn) >>> 0
  return hash % 4 === 0 ? Math.floor(hash / 4) % simulatedVocab : (tokens.at(-1)! + 1) % 7
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

/** KV memory of `blocks` × `blockSize` positions, what slots keep, and steps on it. */
export function createSimulatedModel(
  blocks: number,
  blockSize: number,
): { step(sequences: SequenceStep[]): SampledToken[] } {
  const written = new Int32Array(blocks * blockSize).fill(-1)
  const alphas = new Float64Array(blocks * blockSize)
  const slots = new Map<number, { blocks: number[]; history: number[]; sampled: number }>()

  /** What the slot keeps, after what this step brings; ids sampled before are put in their places. */
  function take(step: SequenceStep): { tokens: number[]; blocks: number[]; history: number[] } {
    const kept = slots.get(step.slot) ?? { blocks: [], history: [], sampled: -1 }
    const { blocksKept = 0, historyKept = 0 } = step
    if (blocksKept > kept.blocks.length || historyKept > kept.history.length)
      throw new Error(`Slot ${step.slot} does not hold what is to stay.`)
    const fill = (ids: ArrayLike<number>): number[] => Array.from(ids, (id) => (id === fromSlot ? kept.sampled : id))
    const tokens = fill(step.tokens)
    const now = {
      blocks: [...kept.blocks.slice(0, blocksKept), ...Array.from(step.blocks)],
      history: [...kept.history.slice(0, historyKept), ...fill(step.history ?? [])],
      sampled: kept.sampled,
    }
    if ([...tokens, ...now.history].some((id) => id < 0 || id >= simulatedVocab))
      throw new Error(`Slot ${step.slot} has a token that is none.`)
    slots.set(step.slot, now)
    return { tokens, ...now }
  }

  return {
    step(sequences) {
      if (new Set(sequences.map((step) => step.slot)).size !== sequences.length)
        throw new Error('Two sequences share a slot.')
      const parts = sequences.map((step) => {
        const part = take(step)
        const at = (position: number): number => {
          const block = part.blocks[Math.floor(position / blockSize)]
          if (block === undefined || block < 0 || block >= blocks)
            throw new Error(`Position ${position} of slot ${step.slot} has no block.`)
          return block * blockSize + (position % blockSize)
        }
        return { step, ...part, at }
      })
      const cells = new Set<number>()
      for (const { step, tokens, at } of parts) {
        for (const [n, token] of tokens.entries()) {
          const cell = at(step.start + n)
          if (cells.has(cell)) throw new Error('Two sequences write to one place.')
          cells.add(cell)
          written[cell] = token
          alphas[cell] = step.ropeAlpha
        }
      }
      return parts.flatMap(({ step, tokens, history, at }) => {
        const rows = step.sample ? (step.rows ?? 1) : 0
        const targets = Array.from(step.targets ?? [])
        const content: number[] = []
        for (let position = 0; position < step.start + tokens.length; position++) {
          const cell = at(position)
          if (alphas[cell] !== step.ropeAlpha)
            throw new Error(`Position ${position} was written with another rope factor.`)
          content.push(written[cell]!)
        }
        if (history.length > 0 && history.join() !== content.join())
          throw new Error(`The history of slot ${step.slot} is not what lies in its blocks.`)
        return Array.from({ length: rows }, (_, row): SampledToken => {
          const before = content.slice(0, content.length - rows + row + 1)
          const drawn = step.drawn + row - targets.length
          const id = targets[row] ?? nextToken(before, step.ropeAlpha, drawn)
          slots.get(step.slot)!.sampled = id
          return { slot: step.slot, id, logprob: targets[row] === undefined ? -1 : -before.length, top: [] }
        })
      })
    },
  }
}
