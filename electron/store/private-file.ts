/** Files that only their owner can read. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

/** Writes a file with mode 0600 in one step: readers see the old content or the new, whole. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`
  const file = openSync(partial, 'wx', 0o600)
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    fsyncSync(file)
    closeSync(file)
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
}
