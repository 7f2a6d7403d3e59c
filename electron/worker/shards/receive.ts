/**
 * `lanyard-worker put`: one shard's bytes from stdin into the store, resumable and hash-checked.
 *
 * What comes on stdin: bytes OFFSET … BYTES−1 of the shard, raw. With `--sha256 HEX` nothing else. With `--sha256 -`
 * the sender, which hashes from byte 0 while it streams, then appends 65 bytes: 64 lower-case hex digits and a
 * newline. Stdin is closed after that. The answer is one JSON line on stdout (see ShardReceipt).
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { LanyardError, problemOf } from '../../contract/errors.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { takeLock } from '../lock.ts'
import { makeRoom } from './prepacked.ts'
import { freeBytes, shardPaths, sizeOf } from './shards.ts'

export interface ShardOrder {
  key: string
  /** of the whole shard */
  bytes: number
  /** hex, or `-` when it follows the bytes */
  sha256: string
  /** bytes that are already here, as `shard.have` said */
  offset: number
}

export interface ShardReceipt {
  ok: boolean
  /** bytes that are here now: where to go on after a failure */
  bytes: number
  code?: ErrorCode
  message?: string
}

const trailerBytes = 65

/** Never rejects: a failure is a receipt with its code (`no_space`, `shard_corrupt`, `shard_failed`, `machine_busy`, `bad_request`). */
export async function receiveShard(folder: string, order: ShardOrder, input: Readable): Promise<ShardReceipt> {
  let files
  try {
    files = shardPaths(folder, order.key)
    const whole = await sizeOf(files.whole)
    if (whole === order.bytes) return { ok: true, bytes: whole }
    using lock = takeLock(files.lock)
    if (!lock) throw new LanyardError('machine_busy', `Another transfer of ${order.key} is running.`)
    await receive(files, folder, order, input)
    return { ok: true, bytes: order.bytes }
  } catch (error) {
    const { code, message } = problemOf(
      noSpace(error) ? new LanyardError('no_space', `The disk is full: ${(error as Error).message}`) : error,
    )
    const here = files ? await sizeOf(files.partial).catch(() => null) : null
    return { ok: false, bytes: here ?? 0, code: code === 'internal' ? 'shard_failed' : code, message }
  }
}

function noSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}

async function receive(
  files: { whole: string; partial: string },
  folder: string,
  order: ShardOrder,
  input: Readable,
): Promise<void> {
  const { bytes, offset, sha256 } = order
  const here = (await sizeOf(files.partial)) ?? 0
  if (offset !== here)
    throw new LanyardError(
      'bad_request',
      `${here} bytes of ${order.key} are here, so ${here} is the offset, not ${offset}.`,
    )
  if (offset > bytes) {
    await rm(files.partial)
    throw new LanyardError(
      'shard_corrupt',
      `${offset} bytes of ${order.key} are here, more than its ${bytes}; they are removed.`,
    )
  }
  await makeRoom(folder, bytes - offset)
  const free = await freeBytes(folder)
  if (free < bytes - offset) {
    throw new LanyardError('no_space', `${order.key} needs ${bytes - offset} more bytes, the disk has ${free} free.`)
  }
  const hash = createHash('sha256')
  if (offset > 0) await hashFile(files.partial, hash)
  const trailer = await writeAll(files.partial, order, input, hash)
  const expected = sha256 === '-' ? trailer.replace(/\n$/, '') : sha256.toLowerCase()
  if (!/^[0-9a-f]{64}$/.test(expected))
    throw new LanyardError('shard_failed', `The SHA-256 of ${order.key} did not arrive.`)
  const actual = hash.digest('hex')
  if (actual !== expected) {
    await rm(files.partial)
    throw new LanyardError(
      'shard_corrupt',
      `${order.key} arrived with SHA-256 ${actual} instead of ${expected}; it is removed.`,
    )
  }
  await rename(files.partial, files.whole)
}

async function hashFile(file: string, hash: Hash): Promise<void> {
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer)
}

/** Appends to the partial file and syncs it. Returns the trailer. Throws `shard_failed` when the bytes end early or go on. */
async function writeAll(partial: string, order: ShardOrder, input: Readable, hash: Hash): Promise<string> {
  const extra = order.sha256 === '-' ? trailerBytes : 0
  let left = order.bytes - order.offset
  let trailer = ''
  await using file = await open(partial, 'a', 0o600)
  // Bytes that have arrived are kept for the next attempt even when the connection breaks in the middle.
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      const body = chunk.subarray(0, left)
      if (body.length > 0) {
        hash.update(body)
        await file.appendFile(body)
        left -= body.length
      }
      trailer += chunk.subarray(body.length).toString('latin1')
      if (trailer.length > extra)
        throw new LanyardError('shard_failed', `More than ${order.bytes} bytes of ${order.key} arrived.`)
      if (left === 0 && trailer.length === extra) break
    }
  } finally {
    await file.sync()
  }
  if (left > 0) throw new LanyardError('shard_failed', `${order.key} ended ${left} bytes early; what arrived is kept.`)
  return trailer
}
