/**
 * `lanyard-worker attach`: makes sure that this version's worker runs, then joins stdio to its socket. What stands in
 * the way is told in the worker protocol itself: every call is answered with the problem.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import type { Socket } from 'node:net'
import path from 'node:path'
import process from 'node:process'
import { LanyardError, problemOf } from '../../contract/errors.ts'
import type { Handlers } from '../../contract/rpc/contract.ts'
import { connect, serve } from '../../contract/rpc/peer.ts'
import { streamConnection } from '../../contract/rpc/stream-transport.ts'
import { workerContract, workerProtocol } from '../../contract/worker.ts'
import type { WorkerContract } from '../../contract/worker.ts'
import { readBundle } from '../bundle.ts'
import { openFolder, socketAddress } from '../folder.ts'
import type { WorkerFolder } from '../folder.ts'
import { lockHolder } from '../lock.ts'
import type { WorkerIdentity } from './agent.ts'

const startMs = 15_000
const pollMs = 20

/** Ends when either side does. */
export async function attach(options: { folder: string; leaseSeconds: number }): Promise<void> {
  let socket: Socket
  try {
    const folder = openFolder(options.folder)
    await replaceOther(folder)
    socket = await reach(folder, options.leaseSeconds)
  } catch (error) {
    process.stderr.write(`${JSON.stringify(problemOf(error))}\n`)
    process.exitCode = 1
    await refuse(error)
    return
  }
  await new Promise<void>((resolve) => {
    const end = (): void => resolve()
    for (const stream of [socket, process.stdin, process.stdout]) stream.on('error', end)
    socket.on('close', end)
    process.stdin.on('end', end)
    process.stdin.pipe(socket)
    socket.pipe(process.stdout)
  })
  socket.destroy()
  process.exit()
}

/** Answers every call with the error until the client leaves. */
function refuse(error: unknown): Promise<void> {
  const answer = (): never => {
    throw error
  }
  const handlers = Object.fromEntries(Object.keys(workerContract).map((name) => [name, answer]))
  return serve(
    streamConnection(process.stdin, process.stdout),
    workerContract,
    handlers as unknown as Handlers<WorkerContract>,
  )
}

/** Ends an idle worker of another version. Throws `worker_version` when it has ranks. */
async function replaceOther(folder: WorkerFolder): Promise<void> {
  const identity = readIdentity(folder)
  if (!identity || identity.hash === readBundle().hash) return
  const socket = await open(folder)
  if (!socket) return
  const client = connect(streamConnection(socket, socket), workerContract)
  try {
    const { ranks } = await client.call('rank.list', {}, { timeoutMs: 5000 })
    if (ranks.length > 0)
      throw new LanyardError(
        'worker_version',
        `Another version of the worker (${identity.version}, ${identity.hash}) is running ${ranks.length} ranks here.`,
        'Stop its deployments first.',
      )
    await client.call('worker.stop', {}, { timeoutMs: 5000 })
    await client.closed
  } catch (error) {
    if (error instanceof LanyardError && (error.code === 'worker_version' || error.code === 'app_away')) {
      // It may have stopped by itself in the meantime: what is wanted.
      if (error.code === 'app_away') return
      throw error
    }
    throw new LanyardError(
      'worker_version',
      `Another version of the worker (${identity.version}, ${identity.hash}, protocol ${identity.protocol}, ours is ${workerProtocol}) is running here.`,
      'Stop its deployments first.',
      { cause: error },
    )
  } finally {
    client.close()
    socket.destroy()
  }
}

function readIdentity(folder: WorkerFolder): WorkerIdentity | null {
  try {
    return JSON.parse(readFileSync(folder.identity, 'utf8')) as WorkerIdentity
  } catch {
    return null
  }
}

/** A connection to the worker's socket; null where nobody listens. */
function open(folder: WorkerFolder): Promise<Socket | null> {
  const address = socketAddress(folder)
  return new Promise((resolve) => {
    const socket = connectSocket(address.path)
    const settle = (result: Socket | null): void => {
      address[Symbol.dispose]()
      resolve(result)
    }
    socket.once('connect', () => settle(socket))
    socket.once('error', () => settle(null))
  })
}

/** Connects, starting the worker where there is none. Throws `worker_failed` with its last words when it does not come. */
async function reach(folder: WorkerFolder, leaseSeconds: number): Promise<Socket> {
  let child: ReturnType<typeof startDaemon> | null = null
  for (const end = Date.now() + startMs; Date.now() < end;) {
    const socket = await open(folder)
    if (socket) return socket
    // Whoever holds the lock is about to listen, or about to end.
    if (!lockHolder(folder.lock) && (!child || child.ended())) {
      if (child?.failed())
        throw new LanyardError(
          'worker_failed',
          `The worker ended while it started: ${lastWords(folder)}`,
          'Its log is in the logs folder beside it.',
        )
      child = startDaemon(folder, leaseSeconds)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  throw new LanyardError(
    'worker_failed',
    `The worker did not listen within ${startMs / 1000} s: ${lastWords(folder)}`,
    'Its log is in the logs folder beside it.',
  )
}

/** A session leader of its own, so that it outlives this connection. */
function startDaemon(folder: WorkerFolder, leaseSeconds: number): { ended(): boolean; failed(): boolean } {
  const output = openSync(path.join(folder.logs, 'worker.out'), 'w', 0o600)
  const child = spawn(
    process.execPath,
    [readBundle().script, 'run', '--folder', folder.root, '--lease', String(leaseSeconds)],
    {
      cwd: '/',
      detached: true,
      stdio: ['ignore', output, output],
    },
  )
  closeSync(output)
  let failed = false
  child.on('error', () => {
    failed = true
  })
  child.unref()
  return {
    ended: () => failed || child.exitCode !== null || child.signalCode !== null,
    failed: () => failed || child.exitCode !== 0,
  }
}

function lastWords(folder: WorkerFolder): string {
  try {
    return readFileSync(path.join(folder.logs, 'worker.out'), 'utf8').trim().split('\n').at(-1) || 'it said nothing'
  } catch {
    return 'it said nothing'
  }
}
