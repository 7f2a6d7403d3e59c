/** Reads the bytes of a shard out of the model's files, from any byte on, hashing as it goes. */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import type { Extent, TensorSource } from '../contract/engine.ts'
import { LanyardError } from '../contract/errors.ts'
import { type ShardLayout, shardLayout } from './shard.ts'

/** Large enough that disks and pipes run at their speed, small enough to hold several. */
const chunkBytes = 4 * 1024 * 1024

/** A shard that can be sent from any byte on (to resume). */
export interface Shard {
  key: string
  bytes: number
  /**
   * Bytes from `offset` to the end. `digest` is the hex SHA-256 of the whole shard (also of the bytes before
   * `offset`, which are read again), known once `chunks` has run out; it rejects when reading stops early.
   */
  read(offset: number): { chunks: AsyncIterable<Uint8Array>; digest: Promise<string> }
  /** the tensors as they lie in the shard file at `path` on the machine */
  at(path: string): TensorSource[]
}

async function readWhole(handle: FileHandle, into: Uint8Array, position: number, file: string): Promise<void> {
  let have = 0
  while (have < into.length) {
    const { bytesRead } = await handle.read(into, have, into.length - have, position + have)
    if (bytesRead === 0) {
      throw new LanyardError(
        'model_truncated',
        `${file} ended ${into.length - have} bytes early while it was read.`,
        'The file changed since it was added: download or copy it again.',
      )
    }
    have += bytesRead
  }
}

/** The bytes of one extent, packed, in chunks of about 4 MiB. */
async function* extentChunks(handle: FileHandle, extent: Extent): AsyncGenerator<Uint8Array> {
  const { file, offset, rows, rowBytes, stride } = extent
  if (rows === 1 || stride === rowBytes) {
    const total = rows * rowBytes
    for (let at = 0; at < total; at += chunkBytes) {
      const chunk = new Uint8Array(Math.min(chunkBytes, total - at))
      await readWhole(handle, chunk, offset + at, file)
      yield chunk
    }
    return
  }
  // Columns of a matrix: rows are read with what lies between them (the disk reads it anyway), then packed.
  const perChunk = Math.max(1, Math.floor(chunkBytes / stride))
  for (let row = 0; row < rows; row += perChunk) {
    const count = Math.min(perChunk, rows - row)
    const span = new Uint8Array((count - 1) * stride + rowBytes)
    await readWhole(handle, span, offset + row * stride, file)
    const packed = new Uint8Array(count * rowBytes)
    for (let i = 0; i < count; i++) packed.set(span.subarray(i * stride, i * stride + rowBytes), i * rowBytes)
    yield packed
  }
}

/** Small pieces (norms, biases, the header) joined, so that no chunk but the last is below 1 MiB. */
async function* joined(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const least = 1024 * 1024
  let waiting: Uint8Array[] = []
  let size = 0
  for await (const piece of pieces) {
    waiting.push(piece)
    size += piece.length
    if (size < least) continue
    yield waiting.length === 1 ? piece : Buffer.concat(waiting, size)
    waiting = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(waiting, size)
}

async function* shardBytes(layout: ShardLayout): AsyncGenerator<Uint8Array> {
  yield layout.header
  const handles = new Map<string, FileHandle>()
  try {
    for (const extent of layout.data) {
      let handle = handles.get(extent.file)
      if (!handle) handles.set(extent.file, (handle = await open(extent.file, 'r')))
      yield* extentChunks(handle, extent)
    }
  } finally {
    for (const handle of handles.values()) await handle.close()
  }
}

/** The shard of one rank; reads nothing until `read`. Reading throws `model_truncated` when a file has shrunk. */
export function shardOf(tensors: TensorSource[], fingerprint: string): Shard {
  const layout = shardLayout(tensors, fingerprint)
  const read = (offset: number) => {
    const { promise: digest, resolve, reject } = Promise.withResolvers<string>()
    // Whoever stops reading early need not ask for the digest.
    digest.catch(() => undefined)
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      const hash = createHash('sha256')
      let at = 0
      try {
        for await (const chunk of joined(shardBytes(layout))) {
          hash.update(chunk)
          const end = at + chunk.length
          if (end > offset) yield at >= offset ? chunk : chunk.subarray(offset - at)
          at = end
        }
        resolve(hash.digest('hex'))
      } catch (error) {
        reject(error)
        throw error
      } finally {
        reject(new LanyardError('cancelled', `Reading shard ${layout.key} stopped at byte ${at} of ${layout.bytes}.`))
      }
    }
    return { chunks: chunks(), digest }
  }
  return { key: layout.key, bytes: layout.bytes, read, at: layout.at }
}
