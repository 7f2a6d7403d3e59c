/**
 * The app's log: JSON lines in `logs/` by pino, rotated at start, and the newest lines in memory for the Logs view.
 * Prompts and answers are never logged.
 */
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { destination, pino } from 'pino'
import type { LogLine } from '../contract/monitor.ts'

const inMemory = 5000
const maxFileBytes = 10 * 1024 * 1024
const files = 5

export interface Log {
  write(level: LogLine['level'], source: string, text: string): void
  /** lines that came from elsewhere (a worker), kept for the view only: their file is on their machine */
  take(line: LogLine): void
  /** the newest lines, oldest first; `source` is a prefix */
  tail(source: string | undefined, lines: number): LogLine[]
  close(): void
}

export function createLog(home: string): Log {
  const folder = join(home, 'logs')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'app.log')
  rotate(path)
  const file = destination({ dest: path, sync: true, mode: 0o600 })
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, file)
  const memory: LogLine[] = []
  const take = (line: LogLine): void => {
    memory.push(line)
    if (memory.length > inMemory) memory.splice(0, inMemory / 10)
  }
  return {
    write(level, source, text) {
      logger[level]({ source }, text)
      take({ at: Date.now(), level, source, text })
    },
    take,
    tail: (source, lines) =>
      memory.filter((line) => source === undefined || line.source.startsWith(source)).slice(-lines),
    close: () => file.end(),
  }
}

/** app.log → app.1.log → … → app.4.log, when it is large. */
function rotate(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < maxFileBytes) return
  const numbered = (n: number): string => (n === 0 ? path : path.replace(/\.log$/, `.${n}.log`))
  rmSync(numbered(files - 1), { force: true })
  for (let n = files - 2; n >= 0; n--) {
    if (statSync(numbered(n), { throwIfNoEntry: false })) renameSync(numbered(n), numbered(n + 1))
  }
}
