/** Child programs of the build and the test runner: in process groups of their own, ended with us. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import process from 'node:process'

export interface RunOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** after this many milliseconds the program and all it started are killed and `timedOut` is set */
  timeoutMs?: number
  /** show: its output goes to ours as it comes (the default keeps it for `output`) */
  show?: boolean
  /** called with each line of output as it comes */
  onLine?: (line: string) => void
}

export interface RunResult {
  /** exit status; 1 when a signal ended it, 127 when it could not be started */
  status: number
  /** stdout and stderr together, in order; empty with `show` */
  output: string
  timedOut: boolean
}

const running = new Set<ChildProcess>()

/** Runs `program` to its end. Never rejects: a program that cannot be started has status 127. */
export function run(program: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  endChildrenWithUs()
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? plainUnlessTerminal(process.env),
      stdio: ['ignore', options.show ? 'inherit' : 'pipe', options.show ? 'inherit' : 'pipe'],
      detached: process.platform !== 'win32',
    })
    running.add(child)
    const chunks: string[] = []
    let rest = ''
    const take = (chunk: string) => {
      chunks.push(chunk)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) options.onLine?.(line)
    }
    child.stdout?.setEncoding('utf8').on('data', take)
    child.stderr?.setEncoding('utf8').on('data', take)
    let timedOut = false
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true
          killGroup(child, 'SIGKILL')
        }, options.timeoutMs)
      : undefined
    const end = (status: number) => {
      clearTimeout(timer)
      running.delete(child)
      resolve({ status, output: chunks.join(''), timedOut })
    }
    child.once('error', (error) => {
      chunks.push(`${program}: ${error.message}\n`)
      end(127)
    })
    child.once('close', (code) => end(code ?? 1))
    child.once('exit', () => killGroup(child, 'SIGKILL'))
  })
}

/** True when `program` answers `--version`. */
export async function isInstalled(program: string): Promise<boolean> {
  return (await run(program, ['--version'])).status === 0
}

/** Result lines stay readable (and findable) in files and CI logs. */
function plainUnlessTerminal(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (process.stdout.isTTY) return env
  const { FORCE_COLOR: _, ...rest } = env
  return { ...rest, NO_COLOR: '1' }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, signal)
  } catch {
    // The whole group has ended already.
  }
}

let registered = false

function endChildrenWithUs(): void {
  if (registered) return
  registered = true
  process.on('exit', () => {
    for (const child of running) killGroup(child, 'SIGKILL')
  })
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(status))
  }
}
