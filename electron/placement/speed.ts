/**
 * How fast a split should be. Decoding reads every weight once per token, so a phase takes as long as the slowest
 * rank needs to read its part; two all-reduces per layer separate the phases.
 */
import type { RankSplit, WireType } from '../contract/engine.ts'
import type { Predicted } from '../contract/plan.ts'
import type { Seat } from './devices.ts'
import { type KvDtype, kvBytesPerToken, matrixBytes, type PlanModel, stepTokens, type Weights } from './model.ts'

/** The path between two machines, in both directions. */
export interface PlanLink {
  between: [string, string]
  /** one way, of a small message */
  latencySeconds: number
  bytesPerSecond: number
  measured: boolean
}

/** Positions in the KV cache that a predicted token reads: a conversation of some length. */
const typicalPositions = 512

/** Gigabit Ethernet as it is without tuning; said to be an estimate. */
const assumedLink = { latencySeconds: 100e-6, bytesPerSecond: 1.18e8, measured: false }

/** Between ranks of one machine. */
const withinMachine = { latencySeconds: 8e-6, bytesPerSecond: 5e9, measured: true }

/** Sealing, opening and adding one peer's message. */
const perPeerSeconds = 4e-6

/** Scheduling, sampling and merging of a step. */
const overheadSeconds = 150e-6

export interface SpeedOptions {
  weights: Weights
  kv: KvDtype
  links: readonly PlanLink[]
  wire: WireType
}

/** Bytes of one value on the wire; int8 with its part of the scale. */
export const wireBytes: Record<WireType, number> = { f32: 4, bf16: 2, int8: 1 + 4 / 64 }

/** The slowest path among the machines of a plan. */
function slowestLink(
  seats: readonly Seat[],
  links: readonly PlanLink[],
): { latencySeconds: number; bytesPerSecond: number; measured: boolean } {
  const machines = [...new Set(seats.map((seat) => seat.machineId))]
  let slowest: { latencySeconds: number; bytesPerSecond: number; measured: boolean } = withinMachine
  for (const [i, a] of machines.entries()) {
    for (const b of machines.slice(i + 1)) {
      const link = links.find(({ between }) => between.includes(a) && between.includes(b)) ?? assumedLink
      slowest = {
        latencySeconds: Math.max(slowest.latencySeconds, link.latencySeconds),
        bytesPerSecond: Math.min(slowest.bytesPerSecond, link.bytesPerSecond),
        measured: slowest.measured && link.measured,
      }
    }
  }
  return slowest
}

/** Seconds of one all-reduce of `bytes`: direct exchange for small payloads, in two steps where that is faster. */
export function allReduceSeconds(
  bytes: number,
  ranks: number,
  link: { latencySeconds: number; bytesPerSecond: number },
): number {
  if (ranks === 1) return 0
  const peers = (ranks - 1) * perPeerSeconds
  const oneShot = link.latencySeconds + ((ranks - 1) * bytes) / link.bytesPerSecond
  const twoShot = 2 * link.latencySeconds + (((2 * (ranks - 1)) / ranks) * bytes) / link.bytesPerSecond
  return Math.min(oneShot, twoShot) + peers
}

/** Speed of one sequence on an otherwise idle deployment. */
export function speedOf(
  model: PlanModel,
  seats: readonly Seat[],
  splits: readonly RankSplit[],
  options: SpeedOptions,
): Predicted {
  const d = model.decoder
  const bytes = matrixBytes(options.weights, model)
  const sizes = splits.map((split, rank) => model.sizesOf(split, rank))
  const slowest = (seconds: (rank: number) => number) => Math.max(...splits.map((_, rank) => seconds(rank)))
  const attention = slowest(
    (rank) =>
      (sizes[rank]!.attention * bytes.layers + typicalPositions * kvBytesPerToken(d, splits[rank]!, options.kv)) /
      seats[rank]!.speed,
  )
  const ffn = slowest((rank) => (sizes[rank]!.ffnActive * bytes.layers) / seats[rank]!.speed)
  const head = slowest((rank) => (sizes[rank]!.head * bytes.head) / seats[rank]!.speed)
  const compute = attention + ffn + head

  const link = slowestLink(seats, options.links)
  const reduce = 2 * d.layers * allReduceSeconds(d.hidden * wireBytes[options.wire], seats.length, link)
  const step = compute + reduce + overheadSeconds

  // A prompt of one full step, bound by arithmetic rather than by reading.
  const prompt = slowest((rank) => {
    const { attention: a, ffnActive: f, head: h } = sizes[rank]!
    const read = (a + f) * bytes.layers + h * bytes.head
    return Math.max((2 * (a + f) * stepTokens + 2 * h) / seats[rank]!.flops, read / seats[rank]!.speed)
  })
  const promptReduce =
    2 * d.layers * allReduceSeconds(stepTokens * d.hidden * wireBytes[options.wire], seats.length, link)
  const measured = seats.every((seat) => seat.measured) && link.measured
  return {
    tokensPerSecond: 1 / step,
    firstTokenSeconds: prompt + promptReduce + overheadSeconds,
    computeMs: compute * 1e3,
    allReduceMs: reduce * 1e3,
    overheadMs: overheadSeconds * 1e3,
    source: measured
      ? 'measured on your machines'
      : `estimated from ${seats.every((seat) => seat.measured) ? 'measured devices and' : 'typical devices and'} ${link.measured ? 'measured links' : 'a gigabit network'}`,
  }
}
