/**
 * Which tokens of which sequences go into the next step: continuous batching, prompts read in chunks beside the
 * sequences that generate. Pure: no engine, no clock.
 *
 * Order is arrival. A sequence is admitted when its whole prompt finds KV blocks, and none overtakes the first that
 * waits. When a running one needs a block and none is free, the newest gives its blocks back, keeps its tokens and
 * waits at its place; the oldest is never the one unless it is alone, and alone it fits, so every sequence ends.
 *
 * Use: `plan`, run the step, `complete` with its tokens, again. `submit` and `abort` at any time.
 */
import { LanyardError } from '../../contract/errors.ts'
import type { GenerateRequest, StepEvent } from '../../contract/worker.ts'
import type { SampledToken, SequenceStep } from '../rank/addon.ts'
import { createBlockPool } from './block-pool.ts'
import { generatedOf, hasPenalty, ropeAlphaOf, samplingOf } from './sequence.ts'
import type { Sequence } from './sequence.ts'

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
}

export interface StepPlan {
  sequences: SequenceStep[]
  parts: { sequence: Sequence; count: number }[]
}

export type Ended = StepEvent['ended'][number]

export interface Scheduler {
  /** Throws `context_length_exceeded`, `bad_request`. */
  submit(request: GenerateRequest): void
  /** The sequence ends now, though a running step may still carry it. False when it is not known (any more). */
  abort(requestId: string): boolean
  /** Null when there is nothing to do. Not while a step is running. */
  plan(): StepPlan | null
  /** What the step brought: tokens per request (not the id that ended it) and the requests that ended. */
  complete(
    plan: StepPlan,
    sampled: SampledToken[],
  ): { tokens: { requestId: string; token: SampledToken }[]; ended: Ended[] }
  /** Forgets every sequence; returns their ids. */
  clear(): string[]
  /** not generating yet, in order: place in the queue (0 = being read) and how much of the prompt is read */
  waiting(): StepEvent['waiting']
  /** sequences that run and wait; KV positions used and in all; sequences that were preempted so far */
  counts(): {
    running: number
    waiting: number
    kvUsed: number
    kvTotal: number
    preempted: number
    cachedTokens: number
  }
  /** Throws when blocks, slots and sequences do not agree. */
  checkIntegrity(): void
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { blockSize, maxStepTokens, context, vocab, ntkLength, prefixCache = true } = options
  const pool = createBlockPool(options)
  const longest = Math.min(context, options.blocks * blockSize)
  // One token of each must fit in a step, or the newest would never move.
  const mostRunning = Math.min(options.maxSequences, maxStepTokens)
  const freeSlots = Array.from({ length: mostRunning }, (_, n) => mostRunning - 1 - n)
  const bySlot = new Array<SampledToken | undefined>(mostRunning).fill(undefined)
  const known = new Map<string, Sequence>()
  const running: Sequence[] = []
  const waiting: Sequence[] = []
  let arrivals = 0
  let preempted = 0
  let cachedTokens = 0
  let inFlight: StepPlan | null = null

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
    Object.assign(sequence, { blocks: [], serials: [], slot: -1, computed: 0 })
  }

  /** Blocks for every token so far, or the sequence itself gives up its place. */
  function grow(sequence: Sequence): void {
    const needed = blocksFor(sequence.tokens.length)
    while (sequence.blocks.length < needed) {
      if (pool.canTake([], 1)) {
        sequence.blocks.push(...pool.take([], 1))
        continue
      }
      const newest = running.at(-1)!
      unseat(newest)
      insert(waiting, newest)
      preempted++
      if (newest === sequence) return
    }
  }

  /** Gives the first that waits a slot and blocks for all its tokens, if both are there. */
  function admit(): boolean {
    const sequence = waiting[0]
    if (!sequence || running.length >= mostRunning) return false
    const { tokens } = sequence
    const root = pool.rootOf(sequence.ropeAlpha)
    // The last token is always computed: its logits are what is wanted.
    const found = prefixCache
      ? pool.match(tokens, root, Math.floor((tokens.length - 1) / blockSize))
      : { blocks: [], serials: [] }
    const fresh = blocksFor(tokens.length) - found.blocks.length
    // A block for each that runs stays free, or the newcomer would have to go again with the next token.
    if (!pool.canTake(found.blocks, fresh + running.length)) return false
    waiting.shift()
    sequence.blocks = pool.take(found.blocks, fresh)
    sequence.serials = found.serials
    sequence.computed = found.blocks.length * blockSize
    sequence.slot = freeSlots.pop()!
    cachedTokens += sequence.computed
    insert(running, sequence)
    return true
  }

  function stepOf(sequence: Sequence, count: number): SequenceStep {
    const { tokens, computed, request } = sequence
    const isLast = computed + count === tokens.length
    return {
      slot: sequence.slot,
      tokens: tokens.slice(computed, computed + count),
      start: computed,
      // Not a copy: it changes only while the next step is planned.
      blocks: sequence.blocks,
      ropeAlpha: sequence.ropeAlpha,
      sample: isLast ? samplingOf(sequence) : null,
      history: isLast && hasPenalty(request.sampling) ? tokens.slice() : null,
      promptLength: request.prompt.length,
      drawn: generatedOf(sequence),
    }
  }

  /** Blocks that this step has filled can be found by others from now on. */
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

  return {
    submit(request) {
      const { prompt, maxTokens, requestId } = request
      if (known.has(requestId)) throw new LanyardError('bad_request', `Request ${requestId} is running already.`)
      if (prompt.length === 0) throw new LanyardError('bad_request', 'The prompt is empty.')
      if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
        throw new LanyardError('bad_request', `${maxTokens} is not a number of tokens to generate.`)
      const wrong = [...prompt, ...request.stopIds].find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocab)
      if (wrong !== undefined)
        throw new LanyardError('bad_request', `${wrong} is not a token of this model (0 to ${vocab - 1}).`)
      if (prompt.length >= longest) {
        throw new LanyardError(
          'context_length_exceeded',
          `The prompt has ${prompt.length} tokens; with one more to generate, ${longest} are the most here${longest < context ? ' (all the KV cache that this deployment has)' : ''}.`,
          longest < context ? 'Shorten it, or deploy with more memory for the context.' : 'Shorten the prompt.',
        )
      }
      const sequence: Sequence = {
        request,
        arrival: arrivals++,
        stopIds: new Set(request.stopIds),
        most: Math.min(maxTokens, longest - prompt.length),
        ropeAlpha: ropeAlphaOf(prompt.length, ntkLength),
        tokens: [...prompt],
        computed: 0,
        blocks: [],
        serials: [],
        slot: -1,
        dead: false,
      }
      known.set(requestId, sequence)
      waiting.push(sequence)
    },

    abort(requestId) {
      const sequence = known.get(requestId)
      if (!sequence) return false
      known.delete(requestId)
      if (sequence.slot < 0) waiting.splice(waiting.indexOf(sequence), 1)
      else if (inFlight) sequence.dead = true // the engine is writing to its blocks: they are freed with the step
      else unseat(sequence)
      return true
    },

    plan() {
      if (inFlight) throw new Error('A step is running.')
      const before = preempted
      // The list gets shorter at its end when the newest give way.
      for (let n = 0; n < running.length; n++) grow(running[n]!)
      if (preempted === before) while (admit());
      if (running.length === 0) return null

      let budget = maxStepTokens
      const parts: StepPlan['parts'] = []
      const prompts: Sequence[] = []
      const put = (sequence: Sequence): void => {
        const count = Math.min(sequence.tokens.length - sequence.computed, budget)
        if (count === 0) return
        budget -= count
        parts.push({ sequence, count })
      }
      // Those that generate move one token in every step; prompts share what is left, the oldest first.
      for (const sequence of running) {
        if (sequence.tokens.length - sequence.computed === 1) put(sequence)
        else prompts.push(sequence)
      }
      prompts.forEach(put)
      inFlight = { parts, sequences: parts.map(({ sequence, count }) => stepOf(sequence, count)) }
      return inFlight
    },

    complete(plan, sampled) {
      if (plan !== inFlight) throw new Error('This step is not the one that runs.')
      inFlight = null
      bySlot.fill(undefined)
      for (const token of sampled) bySlot[token.slot] = token
      const tokens: { requestId: string; token: SampledToken }[] = []
      const ended: Ended[] = []
      for (const { sequence, count } of plan.parts) {
        if (sequence.dead) continue
        sequence.computed += count
        publish(sequence)
        if (sequence.computed < sequence.tokens.length) continue
        const { requestId } = sequence.request
        const token = bySlot[sequence.slot]
        if (!token) throw new LanyardError('internal', `The engine gave no token for slot ${sequence.slot}.`)
        const end = endOf(sequence, token.id)
        if (end?.reason !== 'stop') {
          sequence.tokens.push(token.id)
          tokens.push({ requestId, token })
        }
        if (end) {
          ended.push({ requestId, ...end, problem: null })
          known.delete(requestId)
          unseat(sequence)
        }
      }
      // Also those that this step did not carry.
      for (let n = running.length - 1; n >= 0; n--) if (running[n]!.dead) unseat(running[n]!)
      return { tokens, ended }
    },

    clear() {
      const ids = [...known.keys()]
      inFlight = null
      for (const sequence of running.slice()) unseat(sequence)
      waiting.length = 0
      known.clear()
      return ids
    },

    waiting() {
      const reading = running.filter((sequence) => !sequence.dead && generatedOf(sequence) === 0)
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
      preempted,
      cachedTokens,
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
      const living = [...running, ...waiting].filter((sequence) => !sequence.dead)
      if (living.length !== known.size || living.some((sequence) => known.get(sequence.request.requestId) !== sequence))
        fail('a sequence is lost')
      for (const { blocks, computed, tokens } of running) {
        if (computed >= tokens.length || blocks.length < blocksFor(computed))
          fail('a sequence has more computed than it holds')
      }
      if (waiting.some((sequence) => sequence.blocks.length > 0 || sequence.slot >= 0))
        fail('a waiting sequence holds blocks')
    },
  }
}
