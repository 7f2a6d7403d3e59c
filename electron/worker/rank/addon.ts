/**
 * The native engine as TypeScript sees it (`native/node/` implements it). Every rejection is an Error
 * with `code` (a string) and, where another rank is at fault, `rank` (a number).
 */
import type { EngineSpec, SamplingParams } from '../../contract/engine.ts'

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
  wire: 'bf16' | 'f32'
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

/** One sequence's part of a step: `tokens` at positions start … start + tokens.length − 1. */
export interface SequenceStep {
  /** 0 … maxSequences − 1, stable while the sequence lives; sampling state is kept per slot */
  slot: number
  tokens: ArrayLike<number>
  start: number
  /** KV blocks of positions 0 …, enough for start + tokens.length */
  blocks: ArrayLike<number>
  /** dynamic NTK factor; 1 when off */
  ropeAlpha: number
  /** null: no token is wanted yet (a prompt chunk that is not the last) */
  sample: SamplingParams | null
  /** all ids so far, prompt first: for penalties; only given when a penalty is on */
  history: ArrayLike<number> | null
  /** how many of `history` are prompt */
  promptLength: number
  /** tokens generated before this step: the n-th draw of a seeded sequence */
  drawn: number
}

export interface SampledToken {
  slot: number
  id: number
  logprob: number
  /** most likely first, as many as were asked for */
  top: { id: number; logprob: number }[]
}

export interface StepResult {
  tokens: SampledToken[]
  /** logits of every step token [tokens, vocab], only when asked for (tests) */
  logits?: Float32Array
  /** µs of this step: all of it, inside collectives, waiting for other ranks */
  micros: { total: number; comm: number; sample: number }
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
  /** Rank 0 only. One at a time. */
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
