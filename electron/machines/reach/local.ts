/** This computer as a machine: the same interface over child processes. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { Duplex } from 'node:stream'
import { LanyardError } from '../../contract/errors.ts'
import { collectProgram, keepTail, statusOfSignal } from './reach.ts'
import type { Reach } from './reach.ts'

const about = 'this computer'

/** `env` is added to this process's own environment. */
export function reachThisComputer(options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Reach {
  const running = new Set<ChildProcessWithoutNullStreams>()
  const { promise: closed, resolve: setClosed } = Promise.withResolvers<void>()
  let open = true

  function start(argv: readonly string[]): { child: ChildProcessWithoutNullStreams; exit: Promise<number | null> } {
    if (!open) throw new LanyardError('machine_away', 'The way to this computer was closed.')
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      ...options,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running.add(child)
    const exit = new Promise<number | null>((resolve, reject) => {
      child.on('error', (error) =>
        reject(new LanyardError('not_found', `${argv[0]} cannot be started: ${error.message}`, '', { cause: error })),
      )
      child.on('close', (code, signal) => {
        running.delete(child)
        resolve(code ?? statusOfSignal(signal ?? 'SIGKILL'))
      })
    })
    return { child, exit }
  }

  const close = () => {
    open = false
    for (const child of running) child.kill('SIGTERM')
    setClosed()
    return Promise.resolve()
  }
  return {
    kind: 'this',
    about,
    localAddress: null,
    remoteAddress: null,
    closed,
    close,
    [Symbol.asyncDispose]: close,
    async exec(argv, execOptions) {
      const { child, exit } = start(argv)
      return await collectProgram(
        {
          stdin: child.stdin,
          stdout: child.stdout,
          stderr: child.stderr,
          exit,
          kill: () => void child.kill('SIGKILL'),
        },
        about,
        argv,
        execOptions,
      )
    },
    channel(argv) {
      const { child, exit } = start(argv)
      const tail = keepTail(child.stderr)
      child.stdin.on('error', () => undefined)
      const stream = Duplex.from({ readable: child.stdout, writable: child.stdin })
      // a program that goes before its streams are read is told of by `ended`, and must not end this one
      stream.on('error', () => undefined)
      return Promise.resolve({
        stream,
        ended: exit.then(
          (code) => ({ code, stderr: tail() }),
          (error: Error) => ({ code: 127, stderr: error.message }),
        ),
      })
    },
  }
}
