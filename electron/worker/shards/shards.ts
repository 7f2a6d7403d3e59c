/** Shards on this machine: whole ones as KEY.safetensors, ones on their way as KEY.partial; prepacked.ts keeps more beside them. */
import { lstat, readdir, rm, stat, statfs, utimes } from 'node:fs/promises'
import path from 'node:path'
import { LanyardError } from '../../contract/errors.ts'
import { listPrepacked, removePrepackedOf } from './prepacked.ts'

export interface ShardState {
  key: string
  complete: boolean
  /** of the whole shard, or of the part that is here */
  bytes: number
  /** where the whole shard lies or will lie */
  path: string
}

export interface ShardStore {
  /** Marks whole ones as used now. */
  have(keys: string[]): Promise<{ shards: ShardState[]; free: number }>
  /** whole ones with what is packed of them, the longest unused first; `usedAt` in ms */
  list(): Promise<{ key: string; bytes: number; usedAt: number }[]>
  /** Removes a shard, what is packed of it and what there is of a partial one; knows nothing of who reads it. */
  remove(key: string): Promise<void>
}

/** Throws `bad_request` for a key that could leave the folder or hide in it. */
export function checkKey(key: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(key)) {
    throw new LanyardError(
      'bad_request',
      `${JSON.stringify(key.slice(0, 140))} is not a shard's key: 1 to 128 letters, digits, dots, dashes and underscores.`,
    )
  }
  return key
}

export function shardPaths(folder: string, key: string): { whole: string; partial: string; lock: string } {
  checkKey(key)
  const base = path.join(folder, key)
  return { whole: `${base}.safetensors`, partial: `${base}.partial`, lock: `${base}.lock` }
}

/** Size in bytes of a regular file; null when there is none. */
export async function sizeOf(file: string): Promise<number | null> {
  try {
    const facts = await lstat(file)
    return facts.isFile() ? facts.size : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Bytes that this user may still write in the folder. */
export async function freeBytes(folder: string): Promise<number> {
  const facts = await statfs(folder)
  return facts.bavail * facts.bsize
}

export function openShards(folder: string): ShardStore {
  return {
    async have(keys) {
      const now = new Date()
      const shards = await Promise.all(
        keys.map(async (key): Promise<ShardState> => {
          const files = shardPaths(folder, key)
          const whole = await sizeOf(files.whole)
          if (whole === null)
            return { key, complete: false, bytes: (await sizeOf(files.partial)) ?? 0, path: files.whole }
          await utimes(files.whole, now, now)
          return { key, complete: true, bytes: whole, path: files.whole }
        }),
      )
      return { shards, free: await freeBytes(folder) }
    },
    async list() {
      const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'))
      const shards = await Promise.all(
        names.map(async (name) => {
          const facts = await stat(path.join(folder, name))
          const key = name.slice(0, -'.safetensors'.length)
          const packed = await listPrepacked(folder, key)
          return { key, bytes: packed.reduce((sum, file) => sum + file.bytes, facts.size), usedAt: facts.mtimeMs }
        }),
      )
      return shards.toSorted((a, b) => a.usedAt - b.usedAt)
    },
    async remove(key) {
      const files = shardPaths(folder, key)
      await rm(files.whole, { force: true })
      await rm(files.partial, { force: true })
      await removePrepackedOf(folder, key)
    },
  }
}
