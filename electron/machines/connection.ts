/** From an address to an attached worker, step by step; and the same for this computer. */
import path from 'node:path'
import { LanyardError } from '../contract/errors.ts'
import type { Hardware } from '../contract/machine.ts'
import type { JobRun } from '../jobs.ts'
import { installWorker } from './install/install.ts'
import type { WorkerBundle } from './install/install.ts'
import { probeMachine } from './probe/probe.ts'
import { reachThisComputer } from './reach/local.ts'
import type { Reach } from './reach/reach.ts'
import { signIn } from './reach/sign-in.ts'
import type { SignIn } from './reach/sign-in.ts'
import { keyTypeName } from './trust/host-key.ts'
import { openWorkerLink } from './worker-link.ts'
import type { AttachedWorker } from './worker-link.ts'

/** A machine that can be worked with: signed in, probed, its worker attached. */
export interface Connection {
  reach: Reach
  hardware: Hardware
  worker: AttachedWorker
  /** the worker's folder on the machine */
  folder: string
  close(): Promise<void>
}

export interface SignInFacts {
  hostKey?: { type: string; fingerprint: string }
  hardware?: Hardware
}

export interface OpenOptions extends Omit<SignIn, 'onHostKey'> {
  bundle: WorkerBundle
  signal: AbortSignal
  step: JobRun['step']
  onFacts(facts: SignInFacts): void
}

/** After this long without any desktop a worker ends its ranks and itself. */
const leaseSeconds = Number(process.env['LANYARD_LEASE_SECONDS'] ?? 600)

export async function openConnection(options: OpenOptions): Promise<Connection> {
  const { step } = options
  const reach = await reachInSteps(options)
  try {
    const hardware = await step(
      'look',
      () => probeMachine(reach, Date.now, options.signal),
      (found) =>
        `${found.os}, ${found.cpu.cores} cores, ${found.gpus.length === 0 ? 'no NVIDIA GPU' : found.gpus.map((gpu) => gpu.name).join(', ')}`,
    )
    options.onFacts({ hardware })
    const installed = await step(
      'install',
      (report) =>
        installWorker(reach, hardware, options.bundle, {
          signal: options.signal,
          onBytes: (bytes, bytesTotal) => report({ bytes, bytesTotal }),
        }),
      ({ sent, launcher }) =>
        sent > 0 ? `${(sent / 1e6).toFixed(0)} MB to ${path.posix.dirname(launcher)}` : 'already there',
    )
    const worker = await step(
      'start',
      async () => {
        const channel = await reach.channel([
          installed.launcher,
          'attach',
          '--folder',
          installed.folder,
          '--lease',
          String(leaseSeconds),
        ])
        return await openWorkerLink({ reach, ...installed }, channel)
      },
      ({ hello }) => `process ${hello.pid}`,
    )
    return {
      reach,
      hardware,
      worker,
      folder: installed.folder,
      async close() {
        worker.close()
        await reach.close()
      },
    }
  } catch (error) {
    await reach.close()
    throw error
  }
}

/** One sign-in shown as three steps, so that a failure stands where it happened. */
async function reachInSteps(options: OpenOptions): Promise<Reach> {
  const reached = Promise.withResolvers<string>()
  const trusted = Promise.withResolvers<string>()
  const about = `${options.target.host}:${options.target.port}`
  const { ask } = options
  const signingIn = signIn({
    ...options,
    ask:
      ask &&
      ((question) => {
        reached.resolve(about)
        if (question.kind === 'password') trusted.resolve('confirmed')
        return ask(question)
      }),
    onHostKey(key, where) {
      options.onFacts({ hostKey: { type: key.type, fingerprint: key.fingerprint } })
      reached.resolve(about)
      trusted.resolve(`${keyTypeName(key.type)} ${key.fingerprint}, known from ${where}`)
    },
  })
  signingIn.then(
    () => {
      reached.resolve(about)
      trusted.resolve('confirmed')
    },
    (error: unknown) => {
      const code = error instanceof LanyardError ? error.code : 'internal'
      const hostKey = code.startsWith('host_key') || code === 'question_unanswered'
      if (hostKey || code === 'auth_failed' || code === 'key_unreadable') reached.resolve(about)
      if (code === 'auth_failed' || code === 'key_unreadable') trusted.resolve('known')
      reached.reject(error)
      trusted.reject(error)
    },
  )
  trusted.promise.catch(() => undefined) // awaited below, unless reaching failed first
  await options.step(
    'reach',
    () => reached.promise,
    (detail) => detail,
  )
  await options.step(
    'host-key',
    () => trusted.promise,
    (detail) => detail,
  )
  return await options.step(
    'sign-in',
    () => signingIn,
    () => `as ${options.target.user}`,
  )
}

/** This computer's own worker: a child process on its stdin and stdout, gone when the app is gone. */
export async function openThisComputer(bundle: WorkerBundle, folder: string): Promise<Connection> {
  const reach = reachThisComputer()
  const launcher = path.join(bundle.folder, 'lanyard-worker')
  try {
    const channel = await reach.channel([launcher, 'run', '--folder', folder, '--stdio'])
    const worker = await openWorkerLink({ reach, launcher, folder }, channel)
    const hardware = await worker.client.call('worker.hardware', {}, { timeoutMs: 30_000 })
    return {
      reach,
      hardware,
      worker,
      folder,
      async close() {
        // Asked to stop it ends its ranks in order; a closed stdin would do the same, later.
        await worker.client.call('worker.stop', {}, { timeoutMs: 5000 }).catch(() => undefined)
        worker.close()
        await Promise.race([
          channel.ended,
          new Promise((resolve) => {
            setTimeout(resolve, 5000).unref()
          }),
        ])
        await reach.close()
      },
    }
  } catch (error) {
    await reach.close()
    throw error
  }
}
