/**
 * The native engine as TypeScript sees it (`native/node/` implements it). Every rejection is an Error
 * with `code` (a string) and, where another rank is at fault, `rank` (a number).
 */
import type { EngineSpec, SamplingParams, WireType } from '../../contract/engine.ts'
import type { Mask } from '../../grammar/masks.ts'

export interface GroupOptions {
  rank: number
  size: number
  /** 32 random bytes shared by the ranks of one deployment, never sent over the data plane */
  key: Uint8Array
  /** changes with every restart of the group, so that stale frames cannot be decrypted */
  epoch: number
  /** address to listen on; empty for a group of one */
  bind: string
  /** what a partial sum is rounded to before it is sent (and before it is added) */
  wire: WireType
}

/** The ranks of a deployment, joined by Lanyard's TCP collectives. */
export interface Group {
  /** port this rank listens on; 0 for a group of one */
  readonly port: number
  /** Full mesh. `peers[i]` is rank i; the own entry is ignored. Rejects with `group_timeout`, `group_auth`. */
  connect(peers: { host: string; port: number }[], timeoutMs: number): Promise<void>
  /** Median all-reduce time in µs for a payload of `elements` f32 values; every rank must call it. */
  measure(elements: number, rounds: number): Promise<number>
  close(): void
}

/** In place of a token: the one that this slot has sampled last, in the step before; its id may not be known here yet. */
export const fromSlot = -1

/**
 * One sequence's part of a step: `tokens` at positions start … start + tokens.length − 1. What grows with a sequence (its
 * KV blocks, and its ids where penalties look at them) is kept by the engine per slot: a step says how many of them stay
 * and brings those that follow.
 */
export interface SequenceStep {
  /** 0 … maxSequences − 1, stable while the sequence lives */
  slot: number
  /** ids, or `fromSlot` */
  tokens: ArrayLike<number>
  start: number
  /** how many of the slot's KV blocks stay (0 for a sequence that is new in its slot) */
  blocksKept?: number
  /** those that follow; together enough for start + tokens.length positions */
  blocks: ArrayLike<number>
  /** dynamic NTK factor; 1 when off */
  ropeAlpha: number
  /** null: no token is wanted yet (a prompt chunk that is not the last) */
  sample: SamplingParams | null
  /** how many of the last tokens bring one each; 1 where a token is wanted at all unless said otherwise */
  rows?: number
  /** the first rows are not sampled: the log probabilities of these ids are wanted there */
  targets?: ArrayLike<number> | null
  /** how many of the slot's history stay */
  historyKept?: number
  /** the ids that follow, up to this step's last token, prompt first: for penalties; only given when one is on */
  history: ArrayLike<number> | null
  /** how many of the whole history are prompt */
  promptLength: number
  /** tokens generated before this step: the n-th draw of a seeded sequence */
  drawn: number
  /** only these ids may be sampled; null or absent: all */
  mask?: Mask | null
}

export interface SampledToken {
  slot: number
  /** sampled, or the target of a row that was scored */
  id: number
  logprob: number
  /** most likely first, as many as were asked for */
  top: { id: number; logprob: number }[]
}

export interface StepResult {
  /** one per row, in the order of the step's sequences */
  tokens: SampledToken[]
  /** logits of every step token [tokens, vocab], only when asked for (tests) */
  logits?: Float32Array
  /** µs of this step: all of it, inside collectives, sampling; and between the end of the step before and its start */
  micros: { total: number; comm: number; sample: number; idle: number }
}

export interface EngineStats {
  weightBytes: number
  kvBytes: number
  workspaceBytes: number
  steps: number
  tokens: number
  micros: { total: number; comm: number }
  kernels: string
}

export interface Engine {
  /** Rank 0 only. Steps run in the order they are given; one may be given while another runs. */
  step(sequences: SequenceStep[], options?: { logits?: boolean }): Promise<StepResult>
  /** Ranks ≥ 1: carries out rank 0's steps until it closes (resolves) or a rank is lost (rejects). */
  follow(): Promise<void>
  stats(): EngineStats
  /** Ends a running step on every rank with `aborted`. */
  abort(reason: string): void
  close(): void
}

export interface EngineAddon {
  createGroup(options: GroupOptions): Group
  /** Loads the weights. `onProgress(bytesDone, bytesTotal)` at most ten times a second. */
  open(spec: EngineSpec, group: Group, onProgress?: (done: number, total: number) => void): Promise<Engine>
  /** Measured once per call: seconds-long callers should cache. bytes/s and flop/s of this CPU with `threads`. */
  measureCpu(threads: number): Promise<{ readBytesPerSecond: number; gemmFlops: number; kernels: string }>
  /** From now on the kernel kills this process when the thread that started it ends (Linux); false elsewhere. */
  dieWithParent(): boolean
}
