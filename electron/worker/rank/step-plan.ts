/**
 * The step plan as 32-bit words, for `Engine.step`: what native code reads and sends to the other ranks. The layout is
 * described in native/engine/step_plan.h; `native/test/step-plan.test.ts` holds the two to each other.
 */
import { webcrypto } from 'node:crypto'
import type { SamplingParams } from '../../contract/engine.ts'
import type { Engine, EngineAddon, SequenceStep, StepResult } from './addon.ts'

const magic = 0x5059414c
const kindStep = 1
const wantLogits = 1
const headerWords = 8
const recordWords = 20

const view = new DataView(new ArrayBuffer(8))

/** The bits of a number as f32. */
function bits(value: number): number {
  view.setFloat32(0, value)
  return view.getInt32(0)
}

/** A 64-bit seed as two words, low first; a request without one gets a random seed, so that all ranks draw alike. */
function writeSeed(seed: number | null, words: Int32Array, at: number): void {
  if (seed === null) {
    webcrypto.getRandomValues(words.subarray(at, at + 2))
    return
  }
  const whole = Math.trunc(seed)
  view.setBigInt64(0, Math.abs(whole) < 9.2e18 ? BigInt(whole) : 0n)
  words[at] = view.getInt32(4)
  words[at + 1] = view.getInt32(0)
}

function writeSampling(sampling: SamplingParams, words: Int32Array, at: number): void {
  words[at + 5] = 1
  words[at + 6] = bits(sampling.temperature)
  words[at + 7] = sampling.topK
  words[at + 8] = bits(sampling.topP)
  words[at + 9] = bits(sampling.minP)
  words[at + 10] = bits(sampling.repetitionPenalty)
  words[at + 11] = bits(sampling.presencePenalty)
  words[at + 12] = bits(sampling.frequencyPenalty)
  writeSeed(sampling.seed, words, at + 13)
  words[at + 15] = sampling.logprobs
  words[at + 16] = sampling.logitBias.length
}

/** The words of a step over these sequences; `logits` asks for the logits of every token. */
export function encodePlan(sequences: readonly SequenceStep[], logits = false): Int32Array {
  let tokens = 0
  let blocks = 0
  let biases = 0
  let histories = 0
  for (const { tokens: own, blocks: table, sample, history } of sequences) {
    tokens += own.length
    blocks += table.length
    biases += sample?.logitBias.length ?? 0
    histories += history?.length ?? 0
  }
  const recordsEnd = headerWords + sequences.length * recordWords
  const words = new Int32Array(recordsEnd + tokens + blocks + 2 * biases + histories)
  words.set([magic, kindStep, logits ? wantLogits : 0, sequences.length, tokens, blocks, biases, histories])

  let record = headerWords
  let token = recordsEnd
  let block = token + tokens
  let bias = block + blocks
  let past = bias + 2 * biases
  for (const sequence of sequences) {
    words[record] = sequence.slot
    words[record + 1] = sequence.tokens.length
    words[record + 2] = sequence.start
    words[record + 3] = sequence.blocks.length
    words[record + 4] = bits(sequence.ropeAlpha)
    words[record + 15] = -1
    if (sequence.sample) {
      writeSampling(sequence.sample, words, record)
      for (const [id, value] of sequence.sample.logitBias) {
        words[bias] = id
        words[bias + 1] = bits(value)
        bias += 2
      }
    }
    words[record + 17] = sequence.history?.length ?? 0
    words[record + 18] = sequence.promptLength
    words[record + 19] = sequence.drawn
    words.set(sequence.tokens, token)
    token += sequence.tokens.length
    words.set(sequence.blocks, block)
    block += sequence.blocks.length
    if (sequence.history) {
      words.set(sequence.history, past)
      past += sequence.history.length
    }
    record += recordWords
  }
  return words
}

/** What `open` of the native addon resolves to: its `step` also takes encoded words. */
interface NativeEngine extends Omit<Engine, 'step'> {
  step(words: Int32Array): Promise<StepResult>
}

/**
 * The native addon with its steps encoded here: reading a step of 256 sequences property by property costs native code
 * 1.5 ms, encoding them here 50 µs. An engine that is not the native one (tests) is left as it is.
 */
export function withEncodedPlans<T extends EngineAddon>(addon: T): T {
  if (!('encodePlan' in addon)) return addon
  return {
    ...addon,
    async open(...args: Parameters<EngineAddon['open']>): Promise<Engine> {
      const engine = (await addon.open(...args)) as unknown as NativeEngine
      return { ...engine, step: (sequences, options) => engine.step(encodePlan(sequences, options?.logits)) }
    },
  }
}
