/**
 * The worker protocol: between the app and the worker on a machine, JSON-RPC over the attached byte stream.
 * Shards do not travel here but on a channel of their own (`lanyard-worker put`).
 */
import * as z from 'zod/mini'
import { engineSpec, samplingParams, wireType } from './engine.ts'
import { hardware } from './machine.ts'
import { logLine, machineSample } from './monitor.ts'
import { call, defineContract, stream } from './rpc/contract.ts'

/** Bumped on any change that is not purely additive; hello refuses other versions. */
export const workerProtocol = 2

const nothing = z.object({})

/** A rank's life as the worker sees it. */
export const rankEvent = z.union([
  z.object({ kind: z.literal('loading'), done: z.number(), total: z.number() }),
  z.object({
    kind: z.literal('ready'),
    weightBytes: z.number(),
    kvBytes: z.number(),
    workspaceBytes: z.number(),
    kernels: z.string(),
  }),
  /** the process ended; `problem` names the reason when it was not asked to */
  z.object({
    kind: z.literal('ended'),
    problem: z.nullable(
      z.object({ code: z.string(), message: z.string(), hint: z.string(), rank: z.nullable(z.number()) }),
    ),
  }),
])
export type RankEvent = z.infer<typeof rankEvent>

export const generateRequest = z.object({
  deploymentId: z.string(),
  requestId: z.string(),
  prompt: z.array(z.number()),
  maxTokens: z.number(),
  stopIds: z.array(z.number()),
  minTokens: z.number(),
  ignoreStop: z.boolean(),
  /** sequences of ids that never come whole */
  badWords: z.optional(z.array(z.array(z.number()).check(z.minLength(1)))),
  /**
   * the form that the text must have, as a grammar (electron/grammar/parse.ts), and the ids that may end it where the
   * grammar lets it end
   */
  grammar: z.optional(z.object({ ebnf: z.string(), stopIds: z.array(z.number()) })),
  /** tokens to report log probabilities for at each token of the prompt; absent or −1 = none */
  promptLogprobs: z.optional(z.number()),
  sampling: samplingParams,
})
export type GenerateRequest = z.infer<typeof generateRequest>

export const tokenOut = z.object({
  id: z.number(),
  logprob: z.number(),
  top: z.array(z.object({ id: z.number(), logprob: z.number() })),
})
export type TokenOut = z.infer<typeof tokenOut>

/** Everything that one step brought, for all sequences of a deployment. */
export const stepEvent = z.object({
  /** new tokens per request, in order */
  tokens: z.array(z.object({ requestId: z.string(), tokens: z.array(tokenOut) })),
  /** log probabilities of prompt tokens from the second on, in order, where they were asked for */
  prompts: z.optional(z.array(z.object({ requestId: z.string(), tokens: z.array(tokenOut) }))),
  ended: z.array(
    z.object({
      requestId: z.string(),
      reason: z.enum(['stop', 'length', 'aborted', 'failed']),
      /** the stop id that ended it */
      stopId: z.nullable(z.number()),
      /** prompt tokens that were found in the cache */
      cachedTokens: z.optional(z.number()),
      problem: z.nullable(z.object({ code: z.string(), message: z.string(), hint: z.string() })),
    }),
  ),
  /** requests that are not generating yet: place in the queue (0 = being read) and prompt tokens read */
  waiting: z.array(
    z.object({ requestId: z.string(), queued: z.number(), promptDone: z.number(), promptTotal: z.number() }),
  ),
})
export type StepEvent = z.infer<typeof stepEvent>

export const schedulerStats = z.object({
  running: z.number(),
  waiting: z.number(),
  kvUsed: z.number(),
  kvTotal: z.number(),
  steps: z.number(),
  tokens: z.number(),
  stepMicros: z.number(),
  commMicros: z.number(),
  /** sum of the times between steps that followed on each other, and how many such times there were */
  idleMicros: z.number(),
  idles: z.number(),
  preempted: z.number(),
  promptTokens: z.number(),
  /** of these, found in the cache */
  cachedTokens: z.number(),
  /** tokens guessed, and guessed right */
  drafted: z.number(),
  accepted: z.number(),
})
export type SchedulerStats = z.infer<typeof schedulerStats>

export const workerContract = defineContract({
  /** first call; refused when the protocol differs */
  'worker.hello': call(
    z.object({ protocol: z.number() }),
    z.object({
      protocol: z.number(),
      version: z.string(),
      hash: z.string(),
      pid: z.number(),
      startedAt: z.number(),
      folder: z.string(),
      platform: z.string(),
      leaseSeconds: z.number(),
    }),
  ),
  'worker.stop': call(nothing, nothing),
  'worker.hardware': call(nothing, hardware),
  'worker.measure': call(
    nothing,
    z.object({ readBytesPerSecond: z.number(), gemmFlops: z.number(), kernels: z.string() }),
  ),
  /** one sample a second */
  'worker.samples': stream(nothing, machineSample, nothing),
  'worker.logs': stream(z.object({ lines: z.number() }), logLine, nothing),

  /** which of these shards are whole here, and how many bytes of a partial one */
  'shard.have': call(
    z.object({ keys: z.array(z.string()) }),
    z.object({
      shards: z.array(z.object({ key: z.string(), complete: z.boolean(), bytes: z.number(), path: z.string() })),
      free: z.number(),
    }),
  ),
  'shard.list': call(
    nothing,
    z.object({ shards: z.array(z.object({ key: z.string(), bytes: z.number(), usedAt: z.number() })) }),
  ),
  'shard.remove': call(z.object({ key: z.string() }), nothing),

  /** starts the process and its listening socket; loads nothing yet */
  'rank.start': call(
    z.object({
      deploymentId: z.string(),
      rank: z.number(),
      size: z.number(),
      /** base64, 32 bytes */
      key: z.string(),
      epoch: z.number(),
      bind: z.string(),
      wire: wireType,
    }),
    z.object({ pid: z.number(), port: z.number() }),
  ),
  /** joins the group, then loads; events until the process ends */
  'rank.run': stream(
    z.object({
      deploymentId: z.string(),
      rank: z.number(),
      peers: z.array(z.object({ host: z.string(), port: z.number() })),
      spec: engineSpec,
    }),
    rankEvent,
    nothing,
  ),
  'rank.stop': call(z.object({ deploymentId: z.string(), rank: z.number() }), nothing),
  /** the ranks whose process lives, so that a client can stop what nobody knows of any more */
  'rank.list': call(
    nothing,
    z.object({
      ranks: z.array(
        z.object({
          deploymentId: z.string(),
          rank: z.number(),
          pid: z.number(),
          state: z.enum(['started', 'loading', 'ready']),
          startedAt: z.number(),
        }),
      ),
    }),
  ),

  /** rank 0's machine only */
  'request.submit': call(generateRequest, nothing),
  'request.abort': call(z.object({ deploymentId: z.string(), requestId: z.string() }), nothing),
  /**
   * `received` is for attaching again: per request, how many of its tokens the client has. What came after them is
   * sent first, and its end. Without it the stream starts with the next step. The latest caller holds the stream.
   */
  'deployment.steps': stream(
    z.object({ deploymentId: z.string(), received: z.optional(z.record(z.string(), z.number())) }),
    stepEvent,
    nothing,
  ),
  /**
   * What each token stands for, before the first request with a grammar: the tokens' bytes one after the other, and
   * where each ends (u32, little-endian), both base64. Tokens that are no text are empty.
   */
  'deployment.vocabulary': call(z.object({ deploymentId: z.string(), bytes: z.string(), ends: z.string() }), nothing),
  'deployment.stats': call(z.object({ deploymentId: z.string() }), schedulerStats),
})
export type WorkerContract = typeof workerContract
