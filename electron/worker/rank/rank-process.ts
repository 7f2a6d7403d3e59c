/** A rank's process as its parent sees it: started, asked, watched, ended. */
import { fork } from 'node:child_process'
import process from 'node:process'
import { errorOf, LanyardError } from '../../contract/errors.ts'
import type { Bundle } from '../bundle.ts'
import type { Answers, FromRank, Numbered, Order, RankProblem } from './messages.ts'

/** How a process ended, and its last words. */
export interface RankExit {
  code: number | null
  signal: NodeJS.Signals | null
  /** last lines of stderr, oldest first */
  output: string[]
  /** what the process itself said before it exited */
  problem: RankProblem | null
  /** `stop` was called before */
  asked: boolean
}

export interface RankProcess {
  readonly pid: number
  readonly exited: Promise<RankExit>
  /** Rejects with the process's own problem, `timeout`, or `rank_failed` when it ends before answering. */
  ask<K extends Order['kind']>(order: Extract<Order, { kind: K }>, timeoutMs?: number): Promise<Answers[K]>
  /** Asks it to end, kills it after `graceMs`; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>
}

export interface RankWatcher {
  /** everything but replies */
  message(message: Exclude<FromRank, { kind: 'reply' }>): void
  line(text: string): void
}

const keptLines = 20
const longestLine = 2000

/** Starts one; throws `worker_failed` when the system refuses. */
export function startRankProcess(bundle: Bundle, watcher: RankWatcher): RankProcess {
  const child = fork(bundle.script, ['rank'], {
    execPath: process.execPath,
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, LANYARD_ENGINE: bundle.engine },
  })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const output: string[] = []
  let said: RankProblem | null = null
  let asked = false
  let next = 1
  let failed: Error | null = null
  let over = false

  eachLine(child.stdout!, (text) => watcher.line(text))
  eachLine(child.stderr!, (text) => {
    output.push(text)
    if (output.length > keptLines) output.shift()
    watcher.line(text)
  })
  child.on('message', (raw) => {
    const message = raw as FromRank
    if (message.kind === 'reply') {
      const entry = waiting.get(message.id)
      waiting.delete(message.id)
      if (message.problem) entry?.reject(errorOf(message.problem))
      else entry?.resolve(message.value)
      return
    }
    if (message.kind === 'failed') said = message.problem
    watcher.message(message)
  })
  const exited = new Promise<RankExit>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (over) return
      over = true
      resolve({ code, signal, output, problem: said, asked })
      const gone = failed ?? said ?? new Error('The process ended.')
      const error = new LanyardError(said?.code ?? 'rank_failed', gone.message, said?.hint ?? '', {
        cause: failed ?? undefined,
      })
      for (const entry of waiting.values()) entry.reject(error)
      waiting.clear()
    }
    child.on('error', (error) => {
      failed = error
      if (child.pid === undefined) end(null, null)
    })
    // `close` comes after the last line of output and the last message.
    child.on('close', end)
  })
  if (child.pid === undefined) {
    throw new LanyardError(
      'worker_failed',
      'The system refused to start another process.',
      'Look at the limits of this user on the machine.',
    )
  }

  const rank: RankProcess = {
    pid: child.pid,
    exited,
    ask(order, timeoutMs = 30_000) {
      if (over) return Promise.reject(new LanyardError('rank_failed', 'The process has ended.'))
      const id = next++
      const message: Numbered = { id, order }
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id)
          reject(
            new LanyardError(
              'timeout',
              `The rank's process did not answer "${order.kind}" within ${timeoutMs / 1000} s.`,
            ),
          )
        }, timeoutMs)
        const done =
          <A extends unknown[]>(then: (...args: A) => void) =>
          (...args: A): void => {
            clearTimeout(timer)
            then(...args)
          }
        waiting.set(id, { resolve: done(resolve as (value: unknown) => void), reject: done(reject) })
        child.send(message, (error) => {
          // A closed channel means that the process is ending: its exit says why.
          if (error && !over) failed ??= error
        })
      })
    },
    async stop(graceMs = 2000) {
      if (over) return
      asked = true
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      rank.ask({ kind: 'stop' }, graceMs).catch(() => undefined) // it may be gone, or stuck: the timer decides
      await exited
      clearTimeout(timer)
    },
  }
  return rank
}

function eachLine(stream: NodeJS.ReadableStream, handler: (text: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(-longestLine)
    for (const line of lines) if (line.trim() !== '') handler(line.slice(0, longestLine))
  })
  stream.on('end', () => {
    if (rest.trim() !== '') handler(rest)
  })
}

/** Why a rank's process ended, for people; null when it was asked to, or ended with its group in good order. */
export function exitProblem(rank: number, pid: number, exit: RankExit): RankProblem | null {
  if (exit.asked) return null
  if (exit.problem) return exit.problem
  if (exit.code === 0) return null
  const last = exit.output.length > 0 ? ` Its last line: ${exit.output.at(-1)}` : ''
  if (exit.signal === 'SIGKILL') {
    return {
      code: 'rank_failed',
      rank,
      message: `Rank ${rank} (process ${pid}) was killed (SIGKILL).${last}`,
      hint: 'Something on the machine ended it, most often the system when memory ran out. Try a smaller context, int8 or int4 weights, or one more machine.',
    }
  }
  const how = exit.signal ? `was ended by ${exit.signal}` : `ended with status ${exit.code}`
  return {
    code: 'rank_failed',
    rank,
    message: `Rank ${rank} (process ${pid}) ${how}.${last}`,
    hint: 'The log of its machine says more. Start the deployment again.',
  }
}
