/** Plans: which devices, which split, what it needs, how fast it should be, and why. */
import * as z from 'zod/mini'
import { kvType, rankSplit, weightsType, wireType } from './engine.ts'

/** Devices of one machine: none named = its best (all GPUs, or the CPU). */
export const deviceChoice = z.object({
  machine: z.string(),
  devices: z.array(z.object({ kind: z.enum(['cpu', 'cuda']), index: z.number() })),
})
export type DeviceChoice = z.infer<typeof deviceChoice>

export const planRequest = z.object({
  /** model id or name */
  model: z.string(),
  /** machine ids or names with devices; empty = this computer */
  on: z.array(deviceChoice),
  /** relative shares, one per rank; absent = by measured speed and memory */
  shares: z.optional(z.array(z.number())),
  context: z.optional(z.number()),
  maxSequences: z.optional(z.number()),
  weights: z.optional(weightsType),
  /** absent: f32 where the weights are, else bf16 */
  kvDtype: z.optional(kvType),
  /** absent: f32 where the weights are, else bf16 */
  wire: z.optional(wireType),
})
export type PlanRequest = z.infer<typeof planRequest>

export const planRank = z.object({
  rank: z.number(),
  machineId: z.string(),
  machineName: z.string(),
  device: z.object({ kind: z.enum(['cpu', 'cuda']), index: z.number(), name: z.string(), threads: z.number() }),
  /** fraction of the model's work, 0…1 */
  share: z.number(),
  split: rankSplit,
  memory: z.object({ weights: z.number(), kv: z.number(), workspace: z.number(), total: z.number(), free: z.number() }),
})
export type PlanRank = z.infer<typeof planRank>

export const predicted = z.object({
  tokensPerSecond: z.number(),
  firstTokenSeconds: z.number(),
  /** per token, ms */
  computeMs: z.number(),
  allReduceMs: z.number(),
  overheadMs: z.number(),
  /** where the figures come from: "measured on your machines" or "estimated from …" */
  source: z.string(),
})
export type Predicted = z.infer<typeof predicted>

export const plan = z.object({
  modelId: z.string(),
  modelName: z.string(),
  ranks: z.array(planRank),
  context: z.number(),
  maxSequences: z.number(),
  weights: weightsType,
  kvDtype: kvType,
  kvBlocks: z.number(),
  kvBlockSize: z.number(),
  wire: wireType,
  fits: z.boolean(),
  /** bytes missing on the tightest device; 0 when it fits */
  shortBy: z.number(),
  /** what would fit, one sentence each */
  wouldFit: z.array(z.string()),
  predicted,
  /** bytes each rank sends per generated token */
  bytesPerToken: z.number(),
  alternatives: z.array(
    z.object({ title: z.string(), fits: z.boolean(), tokensPerSecond: z.number(), note: z.string() }),
  ),
  explanation: z.array(z.string()),
  warnings: z.array(z.string()),
})
export type Plan = z.infer<typeof plan>
