/**
 * Which tokens of which sequences go into the next step: continuous batching, prompts read in chunks beside the
 * sequences that generate. Pure: no engine, no clock.
 *
 * Order is arrival. A sequence is admitted when its whole prompt finds KV blocks, and none overtakes the first that
 * waits for them. When a running one needs a block and none is free, the newest gives its blocks back, keeps its tokens
 * and waits at its place; the oldest is never the one unless it is alone, and alone it fits, so every sequence ends.
 *
 * A step that only generates can be followed by another before it has ended: its tokens are named by their slots. A
 * sequence that turns out to have ended then brings one token too many, which is dropped. Steps run in the order they are
 * planned, so blocks and slots are free for the next plan as soon as their sequence ends or gives way, whatever steps in
 * flight still write there.
 *
 * Use: `plan` until it is null, run the steps in order, `complete` each when it has ended. `submit` and `abort` at any time.
 */
import { LanyardError } from '../../contract/errors.ts'
import type { GenerateRequest, StepEvent } from '../../contract/worker.ts'
import type { SampledToken, SequenceStep } from '../rank/addon.ts'
import { createBlockPool } from './block-pool.ts'
import { checkRequest } from './check-request.ts'
import { partOf, stepOf } from './parts.ts'
import type { Part } from './parts.ts'
import {
  generatedOf,
  hangsOnLast,
  isFinishing,
  isGenerating,
  isHeld,
  isUniform,
  lengthOf,
  ropeAlphaOf,
  wantsScores,
} from './sequence.ts'
import type { Constraint, Sequence } from './sequence.ts'
import { shareOut } from './shares.ts'
import { forget, guessesThatPay, learn, lookUp, newAcceptance } from './speculation.ts'
import { createStepCost } from './step-cost.ts'

export interface SchedulerOptions {
  /** KV blocks, and positions in each */
  blocks: number
  blockSize: number
  maxStepTokens: number
  maxSequences: number
  /** most positions of a sequence */
  context: number
  /** ids are 0 … vocab − 1 */
  vocab: number
  /** of DecoderSpec; 0 = off */
  ntkLength: number
  /** find prompts again whose start is still in the cache; on unless false */
  prefixCache?: boolean
  /** guess tokens and check several at once where it pays; on unless false */
  speculate?: boolean
}

export interface StepPlan {
  sequences: SequenceStep[]
  parts: Part[]
}

export type Ended = StepEvent['ended'][number]

/** What a step brought. */
export interface StepNews {
  /** tokens in order, not the ids that ended a sequence */
  tokens: { requestId: string; token: SampledToken }[]
  /** log probabilities of prompt tokens from the second on, in order, where they are wanted */
  prompts: { requestId: string; token: SampledToken }[]
  ended: Ended[]
}

export interface Scheduler {
  /** Throws `context_length_exceeded`, `bad_request`. */
  submit(request: GenerateRequest, constraint?: Constraint): void
  /** The sequence ends now, though steps in flight may still carry it. False when it is not known (any more). */
  abort(requestId: string): boolean
  /** The same, with what is to be told of it; null when it is not known. */
  end(requestId: string, reason: Ended['reason'], problem: Ended['problem']): Ended | null
  /** Null when there is nothing to do before a step in flight has ended. At most two are in flight. */
  plan(): StepPlan | null
  /** The oldest step in flight has ended, after so many µs. */
  complete(plan: StepPlan, sampled: readonly SampledToken[], micros?: number): StepNews
  /** Forgets every sequence; returns their ids. */
  clear(): string[]
  /** not generating yet, in order: place in the queue (0 = being read) and how much of the prompt is read */
  waiting(): StepEvent['waiting']
  /**
   * sequences that run and wait; KV positions used and in all; so far: sequences that were preempted, prompt tokens read
   * and found in the cache, tokens guessed and guessed right
   */
  counts(): {
    running: number
    waiting: number
    kvUsed: number
    kvTotal: number
    preempted: number
    promptTokens: number
    cachedTokens: number
    drafted: number
    accepted: number
  }
  /** Throws when blocks, slots and sequences do not agree. */
  checkIntegrity(): void
}

/**
 * A step in which sequences generate takes in as much of the prompts as fits into this time, or into this multiple of what
 * the step takes without, unless that is hardly any token: a text that is being written goes on at a dozen tokens a
 * second, faster than it is read, and a step's share for prompts never gets small where steps are slow by themselves.
 */
const mostStepMicros = 80_000
const mostOfAStep = 1.6
const fewestPromptTokens = 16

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { blockSize, maxStepTokens, context, vocab, ntkLength, prefixCache = true, speculate = true } = options
  const pool = createBlockPool(options)
  const cost = createStepCost()
  const longest = Math.min(context, options.blocks * blockSize)
  // One token of each must fit in a step, or the newest would never move.
  const mostRunning = Math.min(options.maxSequences, maxStepTokens)
  const freeSlots = Array.from({ length: mostRunning }, (_, n) => mostRunning - 1 - n)
  const known = new Map<string, Sequence>()
  const running: Sequence[] = []
  const waiting: Sequence[] = []
  /** in flight, the oldest first */
  const issued: StepPlan[] = []
  const sums = { preempted: 0, promptTokens: 0, cachedTokens: 0, drafted: 0, accepted: 0 }
  let arrivals = 0

  const blocksFor = (positions: number): number => Math.ceil(positions / blockSize)

  function insert(list: Sequence[], sequence: Sequence): void {
    let at = list.length
    while (at > 0 && list[at - 1]!.arrival > sequence.arrival) at--
    list.splice(at, 0, sequence)
  }

  /** Back to nothing: blocks and slot are free again, the tokens stay. */
  function unseat(sequence: Sequence): void {
    running.splice(running.indexOf(sequence), 1)
    pool.release(sequence.blocks)
    freeSlots.push(sequence.slot)
    Object.assign(sequence, {
      blocks: [],
      serials: [],
      slot: -1,
      computed: 0,
      planned: 0,
      sent: { blocks: 0, history: 0 },
    })
    sequence.stay++
  }

  /** It is over: nothing of it stays. */
  function drop(sequence: Sequence): void {
    known.delete(sequence.request.requestId)
    sequence.over = true
    sequence.constraint?.close()
    if (sequence.slot >= 0) unseat(sequence)
    else waiting.splice(waiting.indexOf(sequence), 1)
  }

  /** Blocks for every token so far, or the sequence itself gives up its place. */
  function grow(sequence: Sequence): void {
    const needed = blocksFor(lengthOf(sequence))
    while (sequence.blocks.length < needed) {
      if (pool.canTake([], 1)) {
        sequence.blocks.push(...pool.take([], 1))
        continue
      }
      const newest = running.at(-1)!
      unseat(newest)
      insert(waiting, newest)
      sums.preempted++
      if (newest === sequence) return
    }
  }

  /** Is a running sequence reading the same prompt, further than what is known of it? Then there is less to do later. */
  function isBeingRead({ tokens, ropeAlpha }: Sequence, knownBlocks: number): boolean {
    return running.some((reader) => {
      const read = reader.request.prompt
      if (reader.computed >= read.length || reader.ropeAlpha !== ropeAlpha) return false
      const most = Math.min(read.length, tokens.length - 1)
      if (Math.floor(most / blockSize) <= knownBlocks) return false
      let common = 0
      while (common < most && read[common] === tokens[common]) common++
      return Math.floor(common / blockSize) > knownBlocks
    })
  }

  /** Gives those that wait a slot and blocks for all their tokens, in order, as long as both are there. */
  function admit(): void {
    for (let n = 0; n < waiting.length && running.length < mostRunning;) {
      const sequence = waiting[n]!
      // It gave way while a step with it was in flight: its token comes first.
      if (sequence.coming > 0) return
      const { tokens } = sequence
      const isShared = prefixCache && !wantsScores(sequence)
      // The last token is always computed: its logits are what is wanted.
      const found = isShared
        ? pool.match(tokens, pool.rootOf(sequence.ropeAlpha), Math.floor((tokens.length - 1) / blockSize))
        : { blocks: [], serials: [] }
      if (isShared && isBeingRead(sequence, found.blocks.length)) {
        n++
        continue
      }
      const fresh = blocksFor(tokens.length) - found.blocks.length
      // A block for each that runs stays free, or the newcomer would have to go again with the next token.
      if (!pool.canTake(found.blocks, fresh + running.length)) return
      waiting.splice(n, 1)
      sequence.blocks = pool.take(found.blocks, fresh)
      sequence.serials = found.serials
      sequence.computed = sequence.planned = found.blocks.length * blockSize
      sequence.slot = freeSlots.pop()!
      if (sequence.cached < 0) {
        sequence.cached = sequence.computed
        sums.cachedTokens += sequence.computed
        sums.promptTokens += sequence.request.prompt.length
      }
      insert(running, sequence)
    }
  }

  /** Guesses for a sequence that generates, without taking a block from anybody. */
  function guess(sequence: Sequence, room: number, sequences: number): number[] {
    const most = Math.min(
      guessesThatPay(sequence.acceptance, sequences, cost.ofOneMore()),
      sequence.most - generatedOf(sequence) - 1,
      room,
    )
    if (most < 1 || sequence.coming > 0 || !isUniform(sequence)) return []
    const guesses = lookUp(sequence.tokens, most)
    const fresh = blocksFor(sequence.tokens.length + guesses.length) - sequence.blocks.length
    if (fresh > 0) {
      if (!pool.canTake([], fresh + running.length)) return []
      sequence.blocks.push(...pool.take([], fresh))
    }
    return guesses
  }

  /** Can a step be planned behind this one, with its tokens still unknown? Only if all of its sequences just go on. */
  function canLookAhead({ parts }: StepPlan): boolean {
    const sequences = parts.length
    return parts.every(({ sequence, count, samples, guesses }) => {
      if (!samples || count !== 1 || guesses.length > 0) return false
      if (sequence.over || isFinishing(sequence)) return true
      if (hangsOnLast(sequence)) return false
      // Where a guess is likely it is worth waiting for the token before it.
      const pays =
        speculate && isUniform(sequence) && guessesThatPay(sequence.acceptance, sequences, cost.ofOneMore()) > 0
      return !pays || lookUp(sequence.tokens, 1).length === 0
    })
  }

  /** Blocks that are full can be found by others from now on. */
  function publish(sequence: Sequence): void {
    while ((sequence.serials.length + 1) * blockSize <= sequence.computed) {
      const index = sequence.serials.length
      const parent = sequence.serials.at(-1) ?? pool.rootOf(sequence.ropeAlpha)
      const tokens = sequence.tokens.slice(index * blockSize, (index + 1) * blockSize)
      sequence.serials.push(pool.publish(sequence.blocks[index]!, parent, tokens))
    }
  }

  function endOf(sequence: Sequence, id: number): { reason: 'stop' | 'length'; stopId: number | null } | null {
    const { request } = sequence
    const generated = generatedOf(sequence)
    if (!request.ignoreStop && generated >= request.minTokens && sequence.stopIds.has(id))
      return { reason: 'stop', stopId: id }
    return generated + 1 >= sequence.most ? { reason: 'length', stopId: null } : null
  }

  /** Log probabilities of prompt tokens; never twice, though a prompt that gave way is read again. */
  function tellScores(sequence: Sequence, rows: readonly SampledToken[], news: StepNews): void {
    const { requestId, promptLogprobs = -1 } = sequence.request
    for (const token of rows)
      news.prompts.push({
        requestId,
        token: { ...token, top: token.top.slice(0, promptLogprobs) },
      })
    sequence.scored += rows.length
  }

  /** The sampled tokens, as long as what was guessed before each came true. */
  function accept(
    sequence: Sequence,
    rows: readonly SampledToken[],
    guesses: readonly number[],
    isSeated: boolean,
    news: StepNews,
  ): void {
    const { requestId, sampling, promptLogprobs = -1 } = sequence.request
    let right = 0
    let end: ReturnType<typeof endOf> = null
    for (const token of rows) {
      end = endOf(sequence, token.id)
      if (end?.reason !== 'stop') {
        sequence.tokens.push(token.id)
        // One step may have been asked for more, for its prompt tokens.
        const isMore = promptLogprobs > sampling.logprobs
        const top = isMore ? token.top.slice(0, Math.max(0, sampling.logprobs)) : token.top
        news.tokens.push({ requestId, token: isMore ? { ...token, top } : token })
      }
      if (end || token.id !== guesses[right]) break
      right++
      if (isSeated) sequence.computed++
    }
    if (guesses.length > 0) {
      sums.drafted += guesses.length
      sums.accepted += right
      learn(sequence.acceptance, guesses.length, right)
      // What was guessed wrong is written over by the next step.
      sequence.planned = sequence.computed
      sequence.sent.history = Math.min(sequence.sent.history, sequence.computed)
    } else {
      forget(sequence.acceptance)
    }
    if (isSeated) publish(sequence)
    if (!end) return sequence.constraint?.take(sequence.tokens.at(-1)!)
    news.ended.push({ requestId, ...end, cachedTokens: sequence.cached, problem: null })
    drop(sequence)
  }

  return {
    submit(request, constraint) {
      const { prompt, maxTokens, requestId } = request
      if (known.has(requestId)) throw new LanyardError('bad_request', `Request ${requestId} is running already.`)
      checkRequest(request, { vocab, context, longest })
      const sequence: Sequence = {
        request,
        constraint: constraint ?? null,
        arrival: arrivals++,
        stopIds: new Set(request.stopIds),
        most: Math.min(maxTokens, longest - prompt.length),
        ropeAlpha: ropeAlphaOf(prompt.length, ntkLength),
        tokens: [...prompt],
        coming: 0,
        computed: 0,
        planned: 0,
        blocks: [],
        serials: [],
        slot: -1,
        stay: 0,
        sent: { blocks: 0, history: 0 },
        scored: 1,
        cached: -1,
        acceptance: newAcceptance(),
        over: false,
      }
      known.set(requestId, sequence)
      waiting.push(sequence)
    },

    abort(requestId) {
      const sequence = known.get(requestId)
      if (sequence) drop(sequence)
      return sequence !== undefined
    },

    end(requestId, reason, problem) {
      const sequence = known.get(requestId)
      if (!sequence) return null
      drop(sequence)
      return { requestId, reason, stopId: null, cachedTokens: Math.max(0, sequence.cached), problem }
    },

    plan() {
      if (issued.length > 1 || !issued.every(canLookAhead)) return null
      const before = sums.preempted
      // The list gets shorter at its end when the newest give way.
      for (let n = 0; n < running.length; n++) if (!isFinishing(running[n]!)) grow(running[n]!)
      if (sums.preempted === before) admit()

      // Those that generate move one token in every step; prompts share what is left, then guesses.
      // A sequence whose next token is not to be chosen yet goes on up to there.
      const going = running.filter((one) => !isFinishing(one) && !(isHeld(one) && isGenerating(one)))
      const generating = going.filter(isGenerating)
      const prompts = going.filter((sequence) => !isGenerating(sequence))
      let room = maxStepTokens - generating.length
      const within = generating.length > 0 ? cost.promptWithin(mostStepMicros, mostOfAStep) : Infinity
      const left = prompts.map((sequence) => lengthOf(sequence) - sequence.planned - (isHeld(sequence) ? 1 : 0))
      const shares = shareOut(left, Math.min(room, Math.max(fewestPromptTokens, Math.floor(within))))
      for (const share of shares) room -= share
      const guesses = generating.map((sequence) => {
        const found = speculate && prompts.length === 0 ? guess(sequence, room, generating.length) : []
        room -= found.length
        return found
      })
      const parts = [
        ...generating.map((sequence, n) => partOf(sequence, 1, guesses[n]!)),
        ...prompts.flatMap((sequence, n) => (shares[n]! > 0 ? [partOf(sequence, shares[n]!, [])] : [])),
      ]
      if (parts.length === 0) return null
      const plan: StepPlan = { parts, sequences: parts.map(stepOf) }
      issued.push(plan)
      return plan
    },

    complete(plan, sampled, micros = 0) {
      if (plan !== issued[0]) throw new Error('This step is not the oldest one in flight.')
      issued.shift()
      const news: StepNews = { tokens: [], prompts: [], ended: [] }
      const total = { sequences: 0, guesses: 0, prompt: 0 }
      let row = 0
      for (const part of plan.parts) {
        const { sequence, count, scored, samples, guesses } = part
        const rows = sampled.slice(row, row + scored + (samples ? 1 + guesses.length : 0))
        row += rows.length
        if (samples && count === 1 + guesses.length) total.sequences++
        else total.prompt += count
        total.guesses += guesses.length
        if (sequence.over) continue
        if (samples) sequence.coming--
        if (rows.length < scored + (samples ? 1 : 0))
          throw new LanyardError('internal', `The engine gave no token for ${sequence.request.requestId}.`)
        tellScores(sequence, rows.slice(0, scored), news)
        // A sequence that gave way in the meantime keeps its token, but nothing of it is in the cache any more.
        const isSeated = sequence.stay === part.stay
        if (isSeated) sequence.computed += count - guesses.length
        if (!samples) {
          if (isSeated) publish(sequence)
          continue
        }
        accept(sequence, rows.slice(scored), guesses, isSeated, news)
      }
      cost.measured({ ...total, micros })
      return news
    },

    clear() {
      const ids = [...known.keys()]
      issued.length = 0
      for (const sequence of known.values()) drop(sequence)
      return ids
    },

    waiting() {
      const reading = running.filter((sequence) => generatedOf(sequence) === 0)
      const queued = waiting.filter((sequence) => generatedOf(sequence) === 0)
      return [
        ...reading.map((sequence) => ({ sequence, queued: 0 })),
        ...queued.map((sequence, n) => ({ sequence, queued: n + 1 })),
      ].map(({ sequence: { request, computed }, queued: place }) => ({
        requestId: request.requestId,
        queued: place,
        promptDone: computed,
        promptTotal: request.prompt.length,
      }))
    },

    counts: () => ({
      running: running.length,
      waiting: waiting.length,
      kvUsed: (pool.total - pool.free) * blockSize,
      kvTotal: pool.total * blockSize,
      ...sums,
    }),

    checkIntegrity() {
      pool.checkIntegrity(running.map((sequence) => sequence.blocks))
      const fail = (what: string): never => {
        throw new Error(`Scheduler: ${what}`)
      }
      const slots = [...running.map((sequence) => sequence.slot), ...freeSlots]
      if (slots.length !== mostRunning || new Set(slots).size !== mostRunning || slots.some((slot) => slot < 0))
        fail('slots do not add up')
      for (const list of [running, waiting]) {
        if (list.some((sequence, n) => n > 0 && list[n - 1]!.arrival >= sequence.arrival))
          fail('the order of arrival is broken')
      }
      const living = [...running, ...waiting]
      if (living.length !== known.size || living.some((sequence) => known.get(sequence.request.requestId) !== sequence))
        fail('a sequence is lost')
      for (const sequence of running) {
        const { blocks, computed, planned, tokens, coming } = sequence
        const guessed = issued.flatMap(({ parts }) => parts.filter((part) => part.sequence === sequence))
        const most = guessed.reduce((sum, part) => sum + part.guesses.length, tokens.length + coming)
        if (computed >= tokens.length || computed > planned || planned > most)
          fail('a sequence has more computed than it has tokens')
        if (blocks.length < blocksFor(planned)) fail('a sequence has more computed than it holds')
        if (coming > issued.length) fail('a sequence waits for a token that no step brings')
      }
      if (waiting.some((sequence) => sequence.blocks.length > 0 || sequence.slot >= 0 || sequence.coming > 1))
        fail('a waiting sequence holds blocks')
    },
  }
}
