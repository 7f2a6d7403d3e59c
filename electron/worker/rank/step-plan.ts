/**
 * The step plan and its result as 32-bit words: what native code reads and sends to the other ranks, and what it answers.
 * The layouts are described in native/engine/step_plan.h and step_result.h; `native/test/step-plan.test.ts` holds the two
 * sides to each other.
 */
import { webcrypto } from 'node:crypto'
import type { SamplingParams } from '../../contract/engine.ts'
import type { Engine, EngineAddon, SampledToken, SequenceStep, StepResult } from './addon.ts'

const magic = 0x5059414c
const kindStep = 1
const wantLogits = 1
const headerWords = 10
const recordWords = 26

/** Where a record's fields are. */
const at = {
  slot: 0,
  tokens: 1,
  start: 2,
  blocksKept: 3,
  blocks: 4,
  ropeAlpha: 5,
  rows: 6,
  targets: 7,
  temperature: 8,
  topK: 9,
  topP: 10,
  minP: 11,
  repetitionPenalty: 12,
  presencePenalty: 13,
  frequencyPenalty: 14,
  seedLow: 15,
  seedHigh: 16,
  logprobs: 17,
  biases: 18,
  onlyBiased: 19,
  historyKept: 20,
  history: 21,
  promptLength: 22,
  drawn: 23,
  mask: 24,
  maskIds: 25,
} as const

const none: number[] = []

/** Biases as the engine takes them: with a list of allowed ids, exactly those have one. */
function biasesOf({ logitBias, allowedIds }: SamplingParams): [number, number][] {
  if (!allowedIds) return logitBias
  const given = new Map(logitBias)
  return [...new Set(allowedIds)].map((id) => [id, given.get(id) ?? 0])
}

/** A 64-bit seed as two words, low first; without one it is random, the same on all ranks. */
function writeSeed(seed: number | null, words: Int32Array, record: number): void {
  if (seed === null) {
    webcrypto.getRandomValues(words.subarray(record + at.seedLow, record + at.seedHigh + 1))
    return
  }
  const whole = Math.abs(seed) < 9.2e18 ? Math.trunc(seed) : 0
  const high = Math.floor(whole / 2 ** 32)
  words[record + at.seedLow] = whole - high * 2 ** 32
  words[record + at.seedHigh] = high
}

/** The words of a step over these sequences; `logits` asks for the logits of every token. */
export function encodePlan(sequences: readonly SequenceStep[], logits = false): Int32Array {
  let tokens = 0
  let blocks = 0
  let biases = 0
  let histories = 0
  let targets = 0
  let masks = 0
  const biasLists: [number, number][][] = []
  for (const sequence of sequences) {
    const own = sequence.sample ? biasesOf(sequence.sample) : (none as unknown as [number, number][])
    biasLists.push(own)
    tokens += sequence.tokens.length
    blocks += sequence.blocks.length
    biases += own.length
    histories += sequence.history?.length ?? 0
    targets += sequence.targets?.length ?? 0
    masks += sequence.mask?.words.length ?? 0
  }
  const recordsEnd = headerWords + sequences.length * recordWords
  const words = new Int32Array(recordsEnd + tokens + blocks + 2 * biases + histories + targets + masks)
  const reals = new Float32Array(words.buffer)
  const flags = logits ? wantLogits : 0
  words.set([magic, kindStep, flags, sequences.length, tokens, blocks, biases, histories, targets, masks])

  let record = headerWords
  let token = recordsEnd
  let block = token + tokens
  let bias = block + blocks
  let past = bias + 2 * biases
  let target = past + histories
  let mask = target + targets
  for (const [n, sequence] of sequences.entries()) {
    const { sample, history } = sequence
    words[record + at.slot] = sequence.slot
    words[record + at.tokens] = sequence.tokens.length
    words[record + at.start] = sequence.start
    words[record + at.blocksKept] = sequence.blocksKept ?? 0
    words[record + at.blocks] = sequence.blocks.length
    reals[record + at.ropeAlpha] = sequence.ropeAlpha
    words[record + at.logprobs] = -1
    if (sample) {
      words[record + at.rows] = sequence.rows ?? 1
      words[record + at.targets] = sequence.targets?.length ?? 0
      reals[record + at.temperature] = sample.temperature
      words[record + at.topK] = sample.topK
      reals[record + at.topP] = sample.topP
      reals[record + at.minP] = sample.minP
      reals[record + at.repetitionPenalty] = sample.repetitionPenalty
      reals[record + at.presencePenalty] = sample.presencePenalty
      reals[record + at.frequencyPenalty] = sample.frequencyPenalty
      writeSeed(sample.seed, words, record)
      words[record + at.logprobs] = sample.logprobs
      words[record + at.onlyBiased] = sample.allowedIds ? 1 : 0
      words[record + at.biases] = biasLists[n]!.length
      for (const [id, value] of biasLists[n]!) {
        words[bias] = id
        reals[bias + 1] = value
        bias += 2
      }
      target = put(words, sequence.targets ?? none, target)
    }
    words[record + at.historyKept] = sequence.historyKept ?? 0
    words[record + at.history] = history?.length ?? 0
    words[record + at.promptLength] = sequence.promptLength
    words[record + at.drawn] = sequence.drawn
    words[record + at.mask] = sequence.mask?.words.length ?? 0
    words[record + at.maskIds] = sequence.mask?.kind === 'ids' ? 1 : 0
    if (sequence.mask) mask = put(words, sequence.mask.words, mask)
    token = put(words, sequence.tokens, token)
    block = put(words, sequence.blocks, block)
    past = put(words, history ?? none, past)
    record += recordWords
  }
  return words
}

/** Copies short lists faster than `set` does; returns the place after them. */
function put(words: Int32Array, from: ArrayLike<number>, to: number): number {
  if (from.length > 32) words.set(from, to)
  else for (let n = 0; n < from.length; n++) words[to + n] = from[n]!
  return to + from.length
}

const resultHeaderWords = 6
const rowWords = 4

/** What a step brought, from the words that the engine answers with. */
export function decodeResult(words: Int32Array): Pick<StepResult, 'tokens' | 'micros'> {
  const reals = new Float32Array(words.buffer, words.byteOffset, words.length)
  const rows = words[0]!
  const tokens = new Array<SampledToken>(rows)
  let top = resultHeaderWords + rows * rowWords
  for (let n = 0, row = resultHeaderWords; n < rows; n++, row += rowWords) {
    const tops: SampledToken['top'] = []
    for (let left = words[row + 3]!; left > 0; left--, top += 2)
      tops.push({ id: words[top]!, logprob: reals[top + 1]! })
    tokens[n] = { slot: words[row]!, id: words[row + 1]!, logprob: reals[row + 2]!, top: tops }
  }
  return { tokens, micros: { total: reals[2]!, comm: reals[3]!, sample: reals[4]!, idle: reals[5]! } }
}

/** What `open` of the native addon resolves to: its steps are words. */
interface NativeEngine extends Omit<Engine, 'step'> {
  step(words: Int32Array): Promise<{ words: Int32Array; logits?: Float32Array }>
}

/**
 * The native addon with its steps encoded and their results decoded here: reading a step of 256 sequences property by
 * property costs native code 1.5 ms. An engine that is not the native one (tests) is left as it is.
 */
export function withEncodedPlans<T extends EngineAddon>(addon: T): T {
  if (!('readPlan' in addon)) return addon
  return {
    ...addon,
    async open(...args: Parameters<EngineAddon['open']>): Promise<Engine> {
      const engine = (await addon.open(...args)) as unknown as NativeEngine
      return {
        ...engine,
        async step(sequences, options) {
          const { words, logits } = await engine.step(encodePlan(sequences, options?.logits))
          return { ...decodeResult(words), ...(logits ? { logits } : {}) }
        },
      }
    },
  }
}
