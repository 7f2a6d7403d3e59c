/** The database file: opened private, in WAL mode, brought to the newest schema. */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LanyardError } from '../contract/errors.ts'
import { migrations } from './migrations.ts'

/** A folder only its owner can enter. */
export function privateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
}

/**
 * Opens `home/lanyard.db`, making folder and file where they are missing. Throws `store_failed` when the file is not
 * a database, or when a newer Lanyard wrote it (migrations only go forward).
 */
export function openDatabase(home: string): DatabaseSync {
  const path = join(home, 'lanyard.db')
  privateFolder(home)
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    // WAL and shared-memory files take the mode of the database file
    chmodSync(path, 0o600)
    db.exec(
      'PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON',
    )
    migrate(db)
    return db
  } catch (error) {
    db?.close()
    if (error instanceof LanyardError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new LanyardError(
      'store_failed',
      `${path} cannot be opened: ${reason}.`,
      'Move the file away to start with an empty one, or restore a copy.',
      { cause: error },
    )
  }
}

/** The schema's version in this database: how many migrations it has had. */
export function schemaVersion(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}

function migrate(db: DatabaseSync): void {
  const from = schemaVersion(db)
  if (from > migrations.length) {
    throw new LanyardError(
      'store_failed',
      `The database has schema ${from}, this Lanyard knows up to ${migrations.length}.`,
      'Start the newer Lanyard that wrote it.',
    )
  }
  for (const [index, sql] of migrations.entries()) {
    if (index < from) continue
    transaction(db, () => {
      db.exec(sql)
      db.exec(`PRAGMA user_version = ${index + 1}`)
    })
  }
}

/** Runs `work` as one change: all of it or, when it throws, nothing. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}
