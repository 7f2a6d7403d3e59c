/** Deployments: a plan that is loading, serving or recovering, under a served model name. */
import * as z from 'zod/mini'
import { problem } from './errors.ts'
import { plan, planRequest } from './plan.ts'

export const rankStatus = z.object({
  rank: z.number(),
  machineId: z.string(),
  machineName: z.string(),
  device: z.string(),
  state: z.enum(['waiting', 'sending', 'starting', 'joining', 'loading', 'ready', 'failed', 'stopped']),
  pid: z.nullable(z.number()),
  /** this rank's shard */
  shardBytes: z.number(),
  /** of it, sent over the network by this `serve` (0 when it was cached or read in place) */
  sentBytes: z.number(),
  loadedBytes: z.number(),
  problem: z.nullable(problem),
})
export type RankStatus = z.infer<typeof rankStatus>

export const deploymentStats = z.object({
  running: z.number(),
  waiting: z.number(),
  /** over the last 10 s */
  tokensPerSecond: z.number(),
  /** median of the last 50 requests, ms */
  firstTokenMs: z.nullable(z.number()),
  requests: z.number(),
  promptTokens: z.number(),
  generatedTokens: z.number(),
  kvUsed: z.number(),
  kvTotal: z.number(),
  /** fraction of step time inside collectives */
  commShare: z.number(),
  /** mean time between steps that follow on each other, µs; null before there were any */
  betweenSteps: z.nullable(z.number()),
  /** since the start: sequences that gave their place to others, prompt tokens and those found in the cache, tokens guessed
   * and guessed right */
  preempted: z.number(),
  readTokens: z.number(),
  cachedTokens: z.number(),
  drafted: z.number(),
  accepted: z.number(),
})
export type DeploymentStats = z.infer<typeof deploymentStats>

export const deployment = z.object({
  id: z.string(),
  /** served model name */
  name: z.string(),
  modelId: z.string(),
  modelName: z.string(),
  /** started by a request and not by the user; ends by itself when nobody asks */
  onDemand: z.boolean(),
  engine: z.enum(['native', 'vllm-ray']),
  state: z.enum(['loading', 'serving', 'failed', 'stopping', 'stopped']),
  status: z.string(),
  plan,
  ranks: z.array(rankStatus),
  stats: deploymentStats,
  problem: z.nullable(problem),
  startedAt: z.number(),
  readyAt: z.nullable(z.number()),
})
export type Deployment = z.infer<typeof deployment>

export const serveRequest = z.extend(planRequest, {
  /** served model name; absent = the model's name */
  name: z.optional(z.string().check(z.maxLength(128))),
  engine: z.optional(z.enum(['native', 'vllm-ray'])),
})
export type ServeRequest = z.infer<typeof serveRequest>
