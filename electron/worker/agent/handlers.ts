/** What a worker answers to one attached client. */
import { readFile, rename, utimes, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { extentsOf } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import type { HandlerContext, Handlers } from '../../contract/rpc/contract.ts'
import { workerProtocol } from '../../contract/worker.ts'
import type { WorkerContract } from '../../contract/worker.ts'
import type { Bundle } from '../bundle.ts'
import type { WorkerFolder } from '../folder.ts'
import { readHardware } from '../hardware/hardware.ts'
import type { Sampler } from '../hardware/hardware.ts'
import type { CpuSpeed } from '../rank/messages.ts'
import { measureCpu } from '../rank/ranks.ts'
import type { Ranks } from '../rank/ranks.ts'
import { shardPaths } from '../shards/shards.ts'
import type { ShardStore } from '../shards/shards.ts'
import type { Log } from './log.ts'

/** Everything that lives as long as the worker. */
export interface Worker {
  bundle: Bundle
  folder: WorkerFolder
  leaseSeconds: number
  startedAt: number
  log: Log
  shards: ShardStore
  sampler: Sampler
  ranks: Ranks
  /** Stops the ranks, then the process. */
  stop(reason: string): void
}

/** Also for clients of another version: they must be able to see whether a worker is idle, and to end it. */
const beforeHello = new Set<string>(['worker.hello', 'worker.stop', 'rank.list'])

/** Time for the answer to leave before its connection ends with the process. */
const answerMs = 20

/** Handlers for one connection. Before a hello of the right protocol they refuse with `worker_version`. */
export function workerHandlers(worker: Worker): Handlers<WorkerContract> {
  const { bundle, folder, log, shards, ranks } = worker
  let greeted = false

  const handlers: Handlers<WorkerContract> = {
    'worker.hello': ({ protocol }) => {
      if (protocol !== workerProtocol) throw wrongProtocol(protocol)
      greeted = true
      return {
        protocol: workerProtocol,
        version: bundle.version,
        hash: bundle.hash,
        pid: process.pid,
        startedAt: worker.startedAt,
        folder: folder.root,
        platform: `${process.platform}-${process.arch}`,
        leaseSeconds: worker.leaseSeconds,
      }
    },
    'worker.stop': () => {
      setTimeout(() => worker.stop('asked to stop'), answerMs)
      return {}
    },
    'worker.hardware': () => readHardware(folder.shards),
    'worker.measure': () => measured(worker),
    'worker.samples': async (_input, send, { signal }) => {
      using _subscription = worker.sampler.subscribe(send)
      await aborted(signal)
      return {}
    },
    'worker.logs': async ({ lines }, send, { signal }) => {
      for (const line of log.last(lines)) send(line)
      using _subscription = log.subscribe(send)
      await aborted(signal)
      return {}
    },

    'shard.have': ({ keys }) => shards.have(keys),
    'shard.list': async () => ({ shards: await shards.list() }),
    'shard.remove': async ({ key }) => {
      if (ranks.filesInUse().has(shardPaths(folder.shards, key).whole)) {
        throw new LanyardError('model_in_use', `Shard ${key} is read by a running rank.`, 'Stop the deployment first.')
      }
      await shards.remove(key)
      return {}
    },

    'rank.start': (input) => ranks.start(input),
    'rank.run': async (input, send, { signal }) => {
      await markUsed(
        folder,
        input.spec.tensors.flatMap((tensor) => extentsOf(tensor).map((extent) => extent.file)),
      )
      await ranks.run(input, send, signal)
      return {}
    },
    'rank.stop': async ({ deploymentId, rank }) => {
      await ranks.stop(deploymentId, rank)
      return {}
    },
    'rank.list': () => ({ ranks: ranks.list() }),

    'request.submit': async (request) => {
      await ranks.submit(request)
      return {}
    },
    'request.abort': async ({ deploymentId, requestId }) => {
      await ranks.abort(deploymentId, requestId)
      return {}
    },
    'deployment.steps': async (input, send, { signal }) => {
      await ranks.steps(input, send, signal)
      return {}
    },
    'deployment.vocabulary': async ({ deploymentId, bytes, ends }) => {
      await ranks.vocabulary(deploymentId, { bytes: Buffer.from(bytes, 'base64'), ends: Buffer.from(ends, 'base64') })
      return {}
    },
    'deployment.stats': ({ deploymentId }) => ranks.stats(deploymentId),
  }

  const guarded = Object.entries(handlers).map(([name, handler]) => {
    const answer = handler as (input: unknown, ...rest: unknown[]) => unknown
    return [
      name,
      (input: unknown, ...rest: (HandlerContext | ((item: unknown) => void))[]): unknown => {
        if (!greeted && !beforeHello.has(name))
          throw new LanyardError('worker_version', `${name} came before worker.hello.`)
        return answer(input, ...rest)
      },
    ]
  })
  return Object.fromEntries(guarded) as Handlers<WorkerContract>
}

function wrongProtocol(protocol: number): LanyardError {
  return new LanyardError(
    'worker_version',
    `The worker speaks protocol ${workerProtocol}, Lanyard asked for ${protocol}.`,
    'Install the worker on this machine again.',
  )
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Shards that a rank reads count as used now. */
async function markUsed(folder: WorkerFolder, files: string[]): Promise<void> {
  const now = new Date()
  const own = [...new Set(files)].filter((file) => path.dirname(file) === folder.shards)
  await Promise.all(own.map((file) => utimes(file, now, now).catch(() => undefined))) // a missing one fails where it is read
}

/** Seconds of work, so it is kept in the folder until the engine or the CPU is another one. */
async function measured(worker: Worker): Promise<CpuSpeed> {
  const file = path.join(worker.folder.root, 'measure.json')
  const threads = os.availableParallelism()
  const of = `${worker.bundle.hash} ${os.cpus()[0]?.model ?? ''} ${threads}`
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as { of: string; speed: CpuSpeed }
    if (kept.of === of) return kept.speed
  } catch {
    // Not measured yet.
  }
  const speed = await measureCpu(worker.bundle, threads, (text) => worker.log.write('info', 'measure', text))
  await writeFile(`${file}.partial`, JSON.stringify({ of, speed }))
  await rename(`${file}.partial`, file)
  return speed
}
