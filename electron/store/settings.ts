/** Settings: one schema with defaults. Keys of a newer version are kept, an invalid value gives the default and is named. */
import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod/mini'
import { guideUse } from '../contract/state.ts'

const apiKey = z.object({
  id: z.string(),
  name: z.string(),
  /** of the key, hex: the key itself is shown once and never stored */
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  createdAt: z.number(),
})

/** Each setting's schema; `z._default` is what holds while nothing valid is stored. */
const schemas = {
  openaiPort: z._default(z.int().check(z.minimum(0), z.maximum(65535)), 8317),
  /** null = loopback only; an address beyond it needs at least one API key */
  openaiHost: z._default(z.nullable(z.string()), null),
  apiKeys: z._default(z.array(apiKey), []),
  /** web pages (origins) that may call the OpenAI port */
  openaiOrigins: z._default(z.array(z.string()), []),
  discovery: z._default(z.boolean(), true),
  guide: z._default(guideUse, 'on-demand'),
  theme: z._default(z.enum(['system', 'light', 'dark']), 'system'),
  language: z._default(z.string(), 'en'),
} as const

export type Settings = { [K in keyof typeof schemas]: z.output<(typeof schemas)[K]> }
export type SettingName = keyof Settings

export interface SettingsRecords {
  all(): Settings
  get<K extends SettingName>(name: K): Settings[K]
  /** Throws when the value does not fit the setting. */
  set<K extends SettingName>(name: K, value: Settings[K]): void
  /** back to the default */
  unset(name: SettingName): void
  /** names whose stored value is invalid, so that the default holds: to be shown to the user */
  invalid(): SettingName[]
}

export function settingsRecords(db: DatabaseSync): SettingsRecords {
  const read = db.prepare('SELECT value FROM settings WHERE key = ?')
  const write = db.prepare('INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)')
  const remove = db.prepare('DELETE FROM settings WHERE key = ?')
  const names = Object.keys(schemas) as SettingName[]

  /** the stored value, undefined for none or an invalid one */
  const valid = (name: SettingName): { value: unknown; invalid: boolean } => {
    const row = read.get(name)
    const fallback: unknown = schemas[name].parse(undefined)
    if (!row) return { value: fallback, invalid: false }
    try {
      const result = schemas[name].safeParse(JSON.parse(String(row['value'])))
      return result.success ? { value: result.data, invalid: false } : { value: fallback, invalid: true }
    } catch {
      return { value: fallback, invalid: true }
    }
  }
  return {
    all: () => Object.fromEntries(names.map((name) => [name, valid(name).value])) as Settings,
    get: <K extends SettingName>(name: K) => valid(name).value as Settings[K],
    set: (name, value) => void write.run(name, JSON.stringify(schemas[name].parse(value))),
    unset: (name) => void remove.run(name),
    invalid: () => names.filter((name) => valid(name).invalid),
  }
}
