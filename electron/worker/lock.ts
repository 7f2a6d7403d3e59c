/** A lock file that names its holder, so that one left by a dead process can be told from a held one. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import process from 'node:process'

export interface LockHolder {
  pid: number
  /** start time of the process in clock ticks since boot, so that a reused pid is no holder; empty if unknown */
  started: string
}

/** State letter and start time of a process; null where /proc does not say. */
function statOf(pid: number): { state: string; started: string } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field, the program's name, may hold blanks and brackets.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', started: fields[19] ?? '' }
  } catch {
    return null
  }
}

/** Is this process there, and the one that it was? One that has ended and only waits to be reaped is not. */
export function isAlive(holder: LockHolder): boolean {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const stat = statOf(holder.pid)
  return !stat || (stat.state !== 'Z' && (holder.started === '' || stat.started === holder.started))
}

/** The living holder of a lock file, null when there is none. */
export function lockHolder(file: string): LockHolder | null {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as LockHolder
    return isAlive(holder) ? holder : null
  } catch {
    return null
  }
}

/** Takes the lock, removing one whose holder is gone. Returns null while somebody else holds it; dispose releases it. */
export function takeLock(file: string): Disposable | null {
  const own: LockHolder = { pid: process.pid, started: statOf(process.pid)?.started ?? '' }
  const partial = `${file}.${process.pid}`
  writeFileSync(partial, JSON.stringify(own), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        // A link appears with its content or not at all.
        linkSync(partial, file)
        return { [Symbol.dispose]: () => releaseLock(file, own) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        if (lockHolder(file)) return null
        rmSync(file, { force: true })
      }
    }
    return null
  } finally {
    rmSync(partial, { force: true })
  }
}

function releaseLock(file: string, own: LockHolder): void {
  try {
    if ((JSON.parse(readFileSync(file, 'utf8')) as LockHolder).pid === own.pid) rmSync(file, { force: true })
  } catch {
    // Somebody removed the folder: there is nothing left to release.
  }
}
