/** What serving needs of a machine and of a model; `machines/` and `models/` provide it, `app.ts` joins them. */
import type { DecoderSpec, RankSplit, TensorSource } from '../contract/engine.ts'
import type { Hardware } from '../contract/machine.ts'
import type { Client } from '../contract/rpc/contract.ts'
import type { WorkerContract } from '../contract/worker.ts'

/** A shard that can be sent from any byte on (to resume). */
export interface Shard {
  /** names its content: same model, same slices, same layout → same key */
  key: string
  bytes: number
  /** bytes from `offset` to the end, and the hex SHA-256 of the whole once it has been read */
  read(offset: number): { chunks: AsyncIterable<Uint8Array>; digest: Promise<string> }
  /** the tensors as they lie in the shard file at `path` on the machine */
  at(path: string): TensorSource[]
}

/** A model of the library, ready to be split. */
export interface SplittableModel {
  decoder: DecoderSpec
  /** rank's tensors as slices of the model's own files on this computer */
  tensors(split: RankSplit, rank: number): TensorSource[]
  shard(tensors: TensorSource[]): Shard
  /** what each token stands for: bytes one after the other, and where each ends; no bytes for what is no text */
  tokens(): { bytes: Uint8Array; ends: Uint32Array }
}

/** The worker on a machine, attached. */
export interface WorkerLink {
  client: Client<WorkerContract>
  /** Streams a shard to the machine's store, going on from what is there. Throws `no_space`, `shard_corrupt`, `shard_failed`. */
  put(shard: Shard, from: number, onBytes: (sent: number) => void, signal: AbortSignal): Promise<void>
  readonly closed: Promise<void>
}

/** A machine whose worker is attached. */
export interface RankHost {
  machineId: string
  name: string
  kind: 'this' | 'ssh'
  worker: WorkerLink
  hardware: Hardware
  /** the address this machine is reached at, or, for this computer, null */
  address: string | null
  /** this computer's own address on the connection to that machine */
  localAddress: string | null
}
