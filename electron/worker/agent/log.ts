/** The worker's log: JSON lines in a rotated file, the last ones in memory, and whoever listens. */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { LogLine } from '../../contract/monitor.ts'

export interface Log extends Disposable {
  write(level: LogLine['level'], source: string, text: string): void
  /** oldest first */
  last(lines: number): LogLine[]
  subscribe(listener: (line: LogLine) => void): Disposable
}

const kept = 1000
const longestText = 8192

/** Logs to `worker.log` in `folder`: worker.log.1 … .4 are the older ones, `maxBytes` each. */
export function openLog(folder: string, options: { maxBytes?: number; files?: number; now?: () => number } = {}): Log {
  const { maxBytes = 10 * 2 ** 20, files = 5, now = Date.now } = options
  const file = path.join(folder, 'worker.log')
  const lines: LogLine[] = []
  const listeners = new Set<(line: LogLine) => void>()
  let descriptor = openSync(file, 'a', 0o600)
  let size = fstatSync(descriptor).size

  function rotate(): void {
    closeSync(descriptor)
    for (let n = files - 1; n >= 1; n--) {
      try {
        renameSync(n === 1 ? file : `${file}.${n - 1}`, `${file}.${n}`)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    descriptor = openSync(file, 'w', 0o600)
    size = 0
  }

  return {
    write(level, source, text) {
      const line: LogLine = {
        at: now(),
        level,
        source,
        text: text.length > longestText ? `${text.slice(0, longestText)}…` : text,
      }
      lines.push(line)
      if (lines.length > kept) lines.splice(0, lines.length - kept)
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
      try {
        if (size > 0 && size + bytes.length > maxBytes) rotate()
        size += writeSync(descriptor, bytes)
      } catch {
        // A full disk must not end the ranks; the lines in memory are still there.
      }
      for (const listener of listeners) listener(line)
    },
    last: (count) => (count > 0 ? lines.slice(-count) : []),
    subscribe(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  }
}
