/** What the worker and a rank's process say to each other over Node's IPC channel. */
import type { EngineSpec, WireType } from '../../contract/engine.ts'
import type { Problem } from '../../contract/errors.ts'
import type { GenerateRequest, SchedulerStats, StepEvent } from '../../contract/worker.ts'

export interface GroupOrder {
  rank: number
  size: number
  /** base64, 32 bytes */
  key: string
  epoch: number
  bind: string
  wire: WireType
}

/** Each is answered by a Reply with its id. */
export type Order =
  | { kind: 'group'; options: GroupOrder }
  | { kind: 'run'; peers: { host: string; port: number }[]; spec: EngineSpec }
  | { kind: 'submit'; request: GenerateRequest }
  | { kind: 'abort'; requestId: string }
  /** see `deployment.vocabulary` */
  | { kind: 'vocabulary'; bytes: Uint8Array; ends: Uint8Array }
  | { kind: 'stats' }
  | { kind: 'stop' }
  | { kind: 'measure'; threads: number }

export interface CpuSpeed {
  readBytesPerSecond: number
  gemmFlops: number
  kernels: string
}

/** What an order's reply carries. */
export interface Answers {
  group: { port: number }
  run: null
  submit: null
  abort: null
  vocabulary: null
  stats: SchedulerStats
  stop: null
  measure: CpuSpeed
}

export type Numbered = { id: number; order: Order }

export type RankProblem = Problem & { rank: number | null }

export type FromRank =
  | { kind: 'reply'; id: number; value: unknown; problem: Problem | null }
  | { kind: 'loading'; done: number; total: number }
  | { kind: 'ready'; weightBytes: number; kvBytes: number; workspaceBytes: number; kernels: string }
  | { kind: 'step'; event: StepEvent }
  /** said before the process exits */
  | { kind: 'failed'; problem: RankProblem }
