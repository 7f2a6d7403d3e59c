/**
 * One app per home. The lock is an operating-system lock on a file, held by SQLite: it ends with the process, however
 * that ends, so there is no stale lock to recognise.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LanyardError } from '../contract/errors.ts'
import { privateFolder } from './database.ts'

/** Throws `home_in_use`, naming the process that holds it. Dispose to release. */
export function lockHome(home: string): Disposable {
  privateFolder(home)
  const path = join(home, 'lanyard.lock')
  // who holds it: only to be shown, the lock itself decides
  const holder = join(home, 'lanyard.pid')
  const db = new DatabaseSync(path, { timeout: 0 })
  try {
    chmodSync(path, 0o600)
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if (!/locked|busy/.test(String(error))) {
      throw new LanyardError(
        'store_failed',
        `${path} cannot be locked: ${String(error)}.`,
        'Check that the folder is on a local disk and can be written.',
        { cause: error },
      )
    }
    throw new LanyardError(
      'home_in_use',
      `Another Lanyard${pidIn(holder)} uses ${home}.`,
      'Use that one, stop it, or give this one a folder of its own with LANYARD_HOME.',
      { cause: error },
    )
  }
  writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 })
  let held = true
  return {
    [Symbol.dispose]() {
      if (!held) return
      held = false
      rmSync(holder, { force: true })
      db.close()
    },
  }
}

function pidIn(path: string): string {
  try {
    return ` (process ${readFileSync(path, 'utf8').trim()})`
  } catch {
    return ''
  }
}
