/** Tables that keep a contract object as JSON beside the columns it is found by. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type * as z from 'zod/mini'
import { LanyardError } from '../contract/errors.ts'
import { machine } from '../contract/machine.ts'
import type { Machine } from '../contract/machine.ts'
import { model } from '../contract/model.ts'
import type { Model } from '../contract/model.ts'
import { serveRequest } from '../contract/deployment.ts'
import type { ServeRequest } from '../contract/deployment.ts'

export interface Records<T> {
  /** oldest first; a row that no longer fits the contract is left out */
  list(): T[]
  get(id: string): T | null
  /** adds or replaces by id */
  put(value: T): void
  /** false when there was none */
  delete(id: string): boolean
}

function parsed<T>(schema: z.ZodMiniType<T>, json: unknown): T | null {
  try {
    const result = schema.safeParse(JSON.parse(String(json)))
    return result.success ? result.data : null
  } catch {
    return null
  }
}

/** `store_failed` for what SQLite refuses, `taken` when the name belongs to another row. */
function stored(work: () => void, taken: () => LanyardError): void {
  try {
    work()
  } catch (error) {
    if (error instanceof Error && error.message.includes('UNIQUE constraint failed')) throw taken()
    throw new LanyardError(
      'store_failed',
      `The database could not be written: ${error instanceof Error ? error.message : String(error)}.`,
      'Check that the disk has space.',
      { cause: error },
    )
  }
}

function records<T extends { id: string; addedAt: number }>(
  db: DatabaseSync,
  table: string,
  schema: z.ZodMiniType<T>,
  columns: (value: T) => Record<string, SQLInputValue>,
  taken: (value: T) => LanyardError,
  example: string[],
): Records<T> {
  const names = ['id', ...example, 'added_at', 'data']
  const list = db.prepare(`SELECT data FROM ${table} ORDER BY added_at, rowid`)
  const get = db.prepare(`SELECT data FROM ${table} WHERE id = ?`)
  const put = db.prepare(
    `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map((name) => `$${name}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET ${names
       .slice(1)
       .map((name) => `${name} = excluded.${name}`)
       .join(', ')}`,
  )
  const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`)
  return {
    list: () => list.all().flatMap((row) => parsed(schema, row['data']) ?? []),
    get(id) {
      const row = get.get(id)
      return row ? parsed(schema, row['data']) : null
    },
    put(value) {
      const row: Record<string, SQLInputValue> = {
        id: value.id,
        added_at: value.addedAt,
        data: JSON.stringify(value),
        ...columns(value),
      }
      stored(
        () => put.run(Object.fromEntries(Object.entries(row).map(([name, v]) => [`$${name}`, v]))),
        () => taken(value),
      )
    },
    delete: (id) => remove.run(id).changes > 0,
  }
}

export function machineRecords(db: DatabaseSync): Records<Machine> {
  return records(
    db,
    'machines',
    machine,
    ({ name, kind, address }) => ({ name, kind, address }),
    ({ name }) =>
      new LanyardError(
        'machine_known',
        `There is already a machine called ${name}.`,
        'Choose another name with --name.',
      ),
    ['name', 'kind', 'address'],
  )
}

export function modelRecords(db: DatabaseSync): Records<Model> {
  return records(
    db,
    'models',
    model,
    ({ name, path }) => ({ name, path }),
    ({ name }) =>
      new LanyardError('model_known', `There is already a model called ${name}.`, 'Choose another name with --name.'),
    ['name', 'path'],
  )
}

/** A host key that a person confirmed. */
export interface HostKeyPin {
  host: string
  port: number
  /** ssh-ed25519, … */
  type: string
  /** SHA256:… */
  fingerprint: string
  /** the public key, base64 */
  key: string
  pinnedAt: number
}

export interface Pins {
  list(): HostKeyPin[]
  /** all key types pinned for this address */
  of(host: string, port: number): HostKeyPin[]
  /** adds, or replaces the key of the same type */
  put(pin: HostKeyPin): void
  /** forgets every key of the address; how many there were */
  delete(host: string, port: number): number
}

export function pinRecords(db: DatabaseSync): Pins {
  const columns = 'host, port, type, fingerprint, key, pinned_at AS pinnedAt'
  const list = db.prepare(`SELECT ${columns} FROM pins ORDER BY pinned_at, host`)
  const of = db.prepare(`SELECT ${columns} FROM pins WHERE host = ? AND port = ? ORDER BY type`)
  const put = db.prepare(
    'INSERT OR REPLACE INTO pins (host, port, type, fingerprint, key, pinned_at) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const remove = db.prepare('DELETE FROM pins WHERE host = ? AND port = ?')
  return {
    list: () => list.all() as unknown as HostKeyPin[],
    of: (host, port) => of.all(host, port) as unknown as HostKeyPin[],
    put: (pin) => void put.run(pin.host, pin.port, pin.type, pin.fingerprint, pin.key, pin.pinnedAt),
    delete: (host, port) => Number(remove.run(host, port).changes),
  }
}

/** What was served before, so that the app can offer to start it again. */
export interface LastServed {
  name: string
  request: ServeRequest
  usedAt: number
}

export interface LastServedRecords {
  /** newest first */
  list(): LastServed[]
  put(served: LastServed): void
  delete(name: string): boolean
}

export function lastServedRecords(db: DatabaseSync): LastServedRecords {
  const list = db.prepare('SELECT name, data, used_at FROM deployments ORDER BY used_at DESC')
  const put = db.prepare('INSERT OR REPLACE INTO deployments (name, data, used_at) VALUES (?, ?, ?)')
  const remove = db.prepare('DELETE FROM deployments WHERE name = ?')
  return {
    list: () =>
      list.all().flatMap((row) => {
        const request = parsed(serveRequest, row['data'])
        return request ? [{ name: String(row['name']), request, usedAt: Number(row['used_at']) }] : []
      }),
    put: (served) => void put.run(served.name, JSON.stringify(served.request), served.usedAt),
    delete: (name) => remove.run(name).changes > 0,
  }
}
