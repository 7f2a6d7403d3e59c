/** The worker as a process: on stdio for this computer, as a daemon on a unix socket everywhere else. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import { LanyardError } from '../../contract/errors.ts'
import { serve } from '../../contract/rpc/peer.ts'
import { streamConnection } from '../../contract/rpc/stream-transport.ts'
import { workerContract, workerProtocol } from '../../contract/worker.ts'
import { readBundle } from '../bundle.ts'
import { openFolder, socketAddress } from '../folder.ts'
import type { WorkerFolder } from '../folder.ts'
import { createSampler } from '../hardware/hardware.ts'
import { takeLock } from '../lock.ts'
import { createRanks } from '../rank/ranks.ts'
import { tidyPrepacked } from '../shards/prepacked.ts'
import { openShards } from '../shards/shards.ts'
import { workerHandlers } from './handlers.ts'
import type { Worker } from './handlers.ts'
import { createLease } from './lease.ts'
import { openLog } from './log.ts'

export { attach } from './attach.ts'
export { stopWorker } from './stop.ts'

export interface RunOptions {
  folder: string
  leaseSeconds: number
  stdio: boolean
}

/** What run/worker.json says of the worker that is running. */
export interface WorkerIdentity {
  pid: number
  version: string
  hash: string
  protocol: number
  startedAt: number
}

/** A predecessor that has lost its client needs this long to stop its ranks. */
const handOverMs = 5000

/** Time for whoever started the daemon to attach: it polls for the socket. */
const firstClientMs = 5000

/** Runs until its client leaves (stdio), its lease ends (daemon), or it is asked or signalled to stop. */
export async function runWorker(options: RunOptions): Promise<void> {
  process.umask(0o077)
  const folder = openFolder(options.folder)
  using _lock = await waitForLock(folder, options.stdio ? handOverMs : 0)
  using log = openLog(folder.logs)
  const bundle = readBundle()
  const stopping = Promise.withResolvers<string>()
  const worker: Worker = {
    bundle,
    folder,
    log,
    leaseSeconds: options.leaseSeconds,
    startedAt: Date.now(),
    shards: openShards(folder.shards),
    sampler: createSampler(),
    ranks: createRanks(bundle, (...line) => log.write(...line)),
    stop: (reason) => stopping.resolve(reason),
  }
  await tidyPrepacked(folder.shards)
  const identity: WorkerIdentity = {
    pid: process.pid,
    version: bundle.version,
    hash: bundle.hash,
    protocol: workerProtocol,
    startedAt: worker.startedAt,
  }
  process.on('uncaughtException', (error) => {
    log.write('error', 'worker', error.stack ?? error.message)
    worker.stop('an internal error')
    process.exitCode = 1
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => worker.stop(signal))

  let server: Server | null = null
  if (options.stdio) {
    void serveClient(worker, process.stdin, process.stdout).then(() => worker.stop('the client left'))
  } else {
    server = await listen(worker, folder)
    writeFileSync(folder.identity, JSON.stringify(identity), { mode: 0o600 })
  }
  log.write('info', 'worker', `worker ${bundle.version} (${bundle.hash}) runs as process ${process.pid}`)

  const reason = await stopping.promise
  log.write('info', 'worker', `stopping: ${reason}`)
  server?.close()
  // Gone before the ranks are: who attaches from now on starts a new worker, which waits for the lock.
  if (server) {
    rmSync(folder.socket, { force: true })
    rmSync(folder.identity, { force: true })
  }
  await worker.ranks.stopAll()
  log.write('info', 'worker', 'stopped')
}

async function waitForLock(folder: WorkerFolder, ms: number): Promise<Disposable> {
  for (const end = Date.now() + ms; ;) {
    const lock = takeLock(folder.lock)
    if (lock) return lock
    if (Date.now() >= end)
      throw new LanyardError(
        'worker_failed',
        `A worker is running in ${folder.root} already.`,
        'Stop it first: lanyard-worker stop.',
      )
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function serveClient(worker: Worker, input: Readable, output: Writable): Promise<void> {
  return serve(streamConnection(input, output), workerContract, workerHandlers(worker))
}

async function listen(worker: Worker, folder: WorkerFolder): Promise<Server> {
  // The lock is ours, so a socket that is still here belongs to nobody.
  rmSync(folder.socket, { force: true })
  const leaseMs = worker.leaseSeconds * 1000
  const expire = (): void => worker.stop('nobody was attached for the lease')
  const lease = createLease(leaseMs, expire, Math.min(leaseMs, firstClientMs))
  const server = createServer((socket) => {
    const held = lease.hold()
    worker.log.write('info', 'worker', 'a client attached')
    socket.on('close', () => {
      held[Symbol.dispose]()
      worker.log.write('info', 'worker', 'a client left')
    })
    void serveClient(worker, socket, socket).then(() => socket.destroy())
  })
  server.on('close', () => lease.cancel())
  using address = socketAddress(folder)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.path, resolve)
  })
  chmodSync(folder.socket, 0o600)
  return server
}
