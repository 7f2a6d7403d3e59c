/**
 * A set of Linux namespaces (mount, host name, processes, network) held open by one process.
 *
 * Nothing is given a name in the system: the namespaces live exactly as long as the holder, the holder is the first
 * process of its own process namespace, and it is killed by the kernel when the program that made it dies. So even
 * `kill -9` of a test leaves neither a process nor an interface behind.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** How a finished command ended, and everything it printed. */
export type Ended = { code: number; stdout: string; stderr: string }

export type SpaceProcess = {
  readonly child: ChildProcess
  /** Signals the program itself, not the tool that put it into the namespaces. */
  kill(signal?: NodeJS.Signals): void
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

export type SpawnOptions = { env?: NodeJS.ProcessEnv; cwd?: string; stdio?: StdioOptions; input?: string | Buffer }

export type Space = {
  /** The holder's process id, seen from outside: `/proc/<pid>/root` shows the files in there. */
  readonly pid: number
  /** The command line that runs a program inside; for tools that want to start it themselves. */
  enter(argv: string[], cwd?: string): string[]
  spawn(argv: string[], options?: SpawnOptions): SpaceProcess
  /** Runs to the end; never throws for an exit status. */
  run(argv: string[], options?: SpawnOptions): Promise<Ended>
  close(): Promise<void>
}

/** Runs a program to its end outside of any namespace, collecting what it prints. */
export function runToEnd(argv: string[], options: SpawnOptions = {}): Promise<Ended> {
  return collect(spawn(argv[0] ?? '', argv.slice(1), { ...options, stdio: ['pipe', 'pipe', 'pipe'] }), options.input)
}

/** As `runToEnd`, but a status other than 0 is an error that shows what was printed. */
export async function mustRun(argv: string[], options: SpawnOptions = {}): Promise<string> {
  const ended = await runToEnd(argv, options)
  if (ended.code !== 0) throw new Error(`${argv.join(' ')} ended with ${ended.code}: ${ended.stderr || ended.stdout}`)
  return ended.stdout
}

function collect(child: ChildProcess, input?: string | Buffer): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15), stdout, stderr }),
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

/** Children of a process of ours, by the kernel's own list. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/**
 * Opens the namespaces and runs `script` (a file beside this one) as their first process. The script sets the inside up,
 * prints `ready` and then stays.
 */
export async function openSpace(script: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Space> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  // pdeathsig: the kernel kills `unshare` when we die; --kill-child: it then kills the first process, and so all inside
  const argv = [
    '--pdeathsig',
    'KILL',
    'unshare',
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    'bash',
    path,
    ...args,
  ]
  const holder = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const exited = once(holder, 'exit')
  let said = ''
  let complaints = ''
  holder.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  await new Promise<void>((resolve, reject) => {
    holder.on('error', reject)
    holder.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('ready\n')) resolve()
    })
    holder.on('exit', () => reject(new Error(`${script} did not come up: ${complaints || said}`)))
  })
  holder.stdout.resume()
  // `setpriv` and `unshare` exec or fork exactly once, so the first process is the only child
  const pid = childrenOf(holder.pid ?? 0)[0]
  if (pid === undefined) throw new Error(`${script} has no first process: ${complaints}`)

  const enter = (inner: string[], cwd = '/') => [
    'nsenter',
    '--target',
    String(pid),
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    `--wdns=${cwd}`,
    '--',
    ...inner,
  ]
  const start = (inner: string[], options: SpawnOptions) => {
    const [file = '', ...rest] = enter(inner, options.cwd)
    return spawn(file, rest, { env: options.env ?? process.env, stdio: options.stdio ?? ['pipe', 'pipe', 'pipe'] })
  }
  return {
    pid,
    enter,
    run: (inner, options = {}) => collect(start(inner, options), options.input),
    spawn(inner, options = {}) {
      const child = start(inner, options)
      const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
        child.on('exit', (code, signal) => resolve({ code, signal }))
        child.on('error', () => resolve({ code: 127, signal: null }))
      })
      return {
        child,
        ended,
        kill(signal = 'SIGTERM') {
          if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
          for (const target of childrenOf(child.pid)) process.kill(target, signal)
        },
      }
    },
    async close() {
      if (holder.exitCode === null && holder.signalCode === null) {
        process.kill(pid, 'SIGKILL')
        await exited
      }
    },
  }
}
