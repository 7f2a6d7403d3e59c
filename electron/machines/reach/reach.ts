/** What every way to a machine offers, and the small things that the ways share. */
import { constants } from 'node:os'
import type { Duplex, Readable } from 'node:stream'
import { LanyardError } from '../../contract/errors.ts'

export type ExecOptions = {
  /** what the program reads; nothing by default. Bytes are sent as fast as the far side takes them. */
  stdin?: string | Uint8Array | Readable
  /** bytes of stdout (and of stderr) that are accepted, 1 MiB by default; more is `too_large` */
  limit?: number
  /** 60 s by default; Infinity for none */
  timeoutMs?: number
  signal?: AbortSignal
}

export type ExecResult = { code: number; stdout: string; stderr: string }

/** A running program as a byte stream. */
export type Channel = {
  /** its stdout and stdin */
  stream: Duplex
  /** once: its status (null when the connection went first) and the last 8 KiB of its stderr */
  ended: Promise<{ code: number | null; stderr: string }>
}

/** A way to run programs on one machine. Words are passed as they are: no shell reads them. */
export type Reach = AsyncDisposable & {
  readonly kind: 'this' | 'ssh'
  /** user@host:port, or "this computer" */
  readonly about: string
  /** our own address on the connection; null for this computer */
  readonly localAddress: string | null
  readonly remoteAddress: string | null
  /** Runs to its end; any exit status is a result, not an error. Errors: `timeout`, `too_large`, `machine_away`, `cancelled`. */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /** Errors: `machine_away`. */
  channel(argv: readonly string[]): Promise<Channel>
  /** resolves when the connection is gone, whoever ended it */
  readonly closed: Promise<void>
  close(): Promise<void>
}

/** Runs one of our fixed POSIX shell scripts with arguments `$1`, `$2`, … */
export function runScript(
  reach: Reach,
  script: string,
  args: readonly string[] = [],
  options?: ExecOptions,
): Promise<ExecResult> {
  return reach.exec(['sh', '-c', script, 'lanyard', ...args], options)
}

export const defaultLimit = 2 ** 20
export const defaultTimeoutMs = 60_000

/** The program as both ways start it. */
export type Started = {
  stdin: NodeJS.WritableStream
  stdout: NodeJS.ReadableStream
  stderr: NodeJS.ReadableStream
  /** null: the connection ended before the program */
  exit: Promise<number | null>
  kill(): void
}

function isStream(stdin: ExecOptions['stdin']): stdin is Readable {
  return stdin !== undefined && typeof stdin !== 'string' && !(stdin instanceof Uint8Array)
}

/** 128 + the signal's number, as shells count it. */
export function statusOfSignal(signal: string): number {
  const name = signal.startsWith('SIG') ? signal : `SIG${signal}`
  return 128 + ((constants.signals as Record<string, number | undefined>)[name] ?? 0)
}

/** Feeds and collects a started program under the limits of `options`. */
export async function collectProgram(
  started: Started,
  about: string,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { stdin, limit = defaultLimit, timeoutMs = defaultTimeoutMs, signal } = options
  const program = argv[0] === 'sh' ? 'a script' : String(argv[0])
  return await new Promise<ExecResult>((resolve, reject) => {
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    const sizes = { stdout: 0, stderr: 0 }
    let settled = false
    const finish = (settle: () => void) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const fail = (error: LanyardError) =>
      finish(() => {
        started.kill()
        reject(error)
      })
    const timer = Number.isFinite(timeoutMs)
      ? setTimeout(
          () =>
            fail(
              new LanyardError(
                'timeout',
                `${program} on ${about} did not end within ${timeoutMs / 1000} s.`,
                'Look whether that machine is overloaded or its disk hangs.',
              ),
            ),
          timeoutMs,
        )
      : undefined
    const onAbort = () => fail(new LanyardError('cancelled', `${program} on ${about} was cancelled.`))
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort)

    for (const which of ['stdout', 'stderr'] as const) {
      started[which].on('data', (chunk: Buffer) => {
        sizes[which] += chunk.length
        if (sizes[which] <= limit) chunks[which].push(chunk)
        else fail(new LanyardError('too_large', `${program} on ${about} printed more than ${limit} bytes.`))
      })
    }
    // a program that ends before reading all of its input is judged by its status
    started.stdin.on('error', () => undefined)
    if (stdin === undefined) started.stdin.end()
    else if (!isStream(stdin)) started.stdin.end(stdin)
    else {
      stdin.on('error', (error) =>
        fail(
          new LanyardError('internal', `Reading what is sent to ${about} failed: ${error.message}`, '', {
            cause: error,
          }),
        ),
      )
      stdin.pipe(started.stdin)
    }
    started.exit.then((code) => {
      if (isStream(stdin)) stdin.destroy()
      if (code === null)
        fail(
          new LanyardError(
            'machine_away',
            `The connection to ${about} ended while ${program} ran.`,
            'Try again once the machine is reachable.',
          ),
        )
      else
        finish(() =>
          resolve({
            code,
            stdout: Buffer.concat(chunks.stdout).toString('utf8'),
            stderr: Buffer.concat(chunks.stderr).toString('utf8'),
          }),
        )
    }, reject)
  })
}

/** The last bytes of a stream, for the reason of a failure. */
export function keepTail(stream: NodeJS.ReadableStream, bytes = 8192): () => string {
  let tail = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk])
    if (tail.length > bytes) tail = tail.subarray(tail.length - bytes)
  })
  return () => tail.toString('utf8')
}
