/** The app's end of a worker: the protocol over an attached channel, and shards over channels of their own. */
import { once } from 'node:events'
import { errorCode, LanyardError } from '../contract/errors.ts'
import type { Client, OutputOf } from '../contract/rpc/contract.ts'
import { connect } from '../contract/rpc/peer.ts'
import { streamConnection } from '../contract/rpc/stream-transport.ts'
import { workerContract, workerProtocol } from '../contract/worker.ts'
import type { WorkerContract } from '../contract/worker.ts'
import type { Channel, Reach } from './reach/reach.ts'

export type WorkerHello = OutputOf<WorkerContract['worker.hello']>

/** A shard as `models/` makes it: what `put` needs of it. */
export interface ShardSource {
  key: string
  bytes: number
  read(offset: number): { chunks: AsyncIterable<Uint8Array>; digest: Promise<string> }
}

export interface AttachedWorker {
  hello: WorkerHello
  client: Client<WorkerContract>
  put(shard: ShardSource, from: number, onBytes: (sent: number) => void, signal: AbortSignal): Promise<void>
  readonly closed: Promise<void>
  close(): void
}

export interface WorkerPlace {
  reach: Reach
  /** path of `lanyard-worker` on the machine */
  launcher: string
  /** folder it keeps sockets, shards and logs in */
  folder: string
}

const helloTimeoutMs = 30_000

/** Speaks hello over a channel that is already attached. Errors: `worker_version`, `worker_failed`, `timeout`. */
export async function openWorkerLink(place: WorkerPlace, channel: Channel): Promise<AttachedWorker> {
  const client = connect(streamConnection(channel.stream, channel.stream), workerContract)
  let hello: WorkerHello
  try {
    hello = await Promise.race([
      client.call('worker.hello', { protocol: workerProtocol }, { timeoutMs: helloTimeoutMs }),
      channel.ended.then(({ code, stderr }) => {
        throw workerEnded(place.reach.about, code, stderr)
      }),
    ])
  } catch (error) {
    client.close()
    if (error instanceof LanyardError && error.code === 'app_away') {
      const { code, stderr } = await channel.ended
      throw workerEnded(place.reach.about, code, stderr, error)
    }
    throw error
  }
  return {
    hello,
    client,
    closed: Promise.race([client.closed, channel.ended.then(() => undefined)]),
    put: (shard, from, onBytes, signal) => putShard(place, shard, from, onBytes, signal),
    close: () => client.close(),
  }
}

/** The worker says on stderr, as one JSON line, why it could not start. */
function workerEnded(about: string, code: number | null, stderr: string, cause?: unknown): LanyardError {
  const said = stderr.trim().split('\n').at(-1) ?? ''
  try {
    const value = JSON.parse(said) as { code?: unknown; message?: unknown; hint?: unknown }
    const known = errorCode.safeParse(value.code)
    if (known.success && typeof value.message === 'string') {
      return new LanyardError(
        known.data,
        `The worker on ${about}: ${value.message}`,
        typeof value.hint === 'string' ? value.hint : '',
        { cause },
      )
    }
  } catch {
    // not ours: a shell, a loader, a crash
  }
  return new LanyardError(
    'worker_failed',
    `The worker on ${about} ended (status ${code ?? 'none'})${said ? `: ${said}` : '.'}`,
    'See ~/.lanyard/logs/ on that machine.',
    { cause },
  )
}

async function putShard(
  place: WorkerPlace,
  shard: ShardSource,
  from: number,
  onBytes: (sent: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { about } = place.reach
  const channel = await place.reach.channel([
    place.launcher,
    'put',
    '--folder',
    place.folder,
    '--key',
    shard.key,
    '--bytes',
    String(shard.bytes),
    '--sha256',
    '-',
    '--offset',
    String(from),
  ])
  const { stream } = channel
  const gone = channel.ended.then(({ code, stderr }) => ({ code, stderr }))
  let answer = ''
  stream.on('data', (chunk: Buffer) => {
    answer = (answer + chunk.toString('utf8')).slice(-8192)
  })
  stream.on('error', () => undefined) // told by `ended`
  const stop = (): void => void stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    let sent = 0
    let ended = false
    void gone.then(() => {
      ended = true
    })
    const write = async (bytes: Uint8Array | string): Promise<void> => {
      if (!stream.write(bytes)) await Promise.race([once(stream, 'drain').catch(() => undefined), gone])
    }
    const { chunks, digest } = shard.read(from)
    digest.catch(() => undefined) // reported where it is awaited, unless the transfer failed first
    for await (const chunk of chunks) {
      if (ended || signal.aborted) break
      await write(chunk)
      sent += chunk.length
      onBytes(sent)
    }
    if (!ended && !signal.aborted) {
      await write(`${await digest}\n`)
      stream.end()
    }
    const { code, stderr } = await gone
    if (signal.aborted) throw new LanyardError('cancelled', `Sending the shard to ${about} was cancelled.`)
    readReceipt(about, shard, answer, code, stderr)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Throws what the machine said went wrong. */
function readReceipt(about: string, shard: ShardSource, answer: string, code: number | null, stderr: string): void {
  let receipt: { ok?: boolean; bytes?: number; code?: string; message?: string }
  try {
    receipt = JSON.parse(answer.trim().split('\n').at(-1) ?? '') as typeof receipt
  } catch (error) {
    throw new LanyardError(
      'shard_failed',
      `Sending the shard to ${about} broke off (status ${code ?? 'none'})${stderr ? `: ${stderr.trim().slice(-300)}` : '.'}`,
      'Serve again: it goes on from what has arrived.',
      { cause: error },
    )
  }
  if (receipt.ok === true && receipt.bytes === shard.bytes) return
  const known = errorCode.safeParse(receipt.code)
  const reason = known.success ? known.data : 'shard_failed'
  const hint =
    reason === 'no_space'
      ? 'Free space there, or remove shards of other models.'
      : reason === 'shard_corrupt'
        ? 'Serve again; if it repeats, test that machine’s memory and network.'
        : 'Serve again: it goes on from what has arrived.'
  throw new LanyardError(reason, `${about}: ${receipt.message ?? 'the shard did not arrive.'}`, hint)
}
