/** Everything that outlives the app: `lanyard.db` in LANYARD_HOME. */
import { messageRecords, threadRecords } from './chat-records.ts'
import type { MessageRecords, ThreadRecords } from './chat-records.ts'
import { openDatabase, transaction } from './database.ts'
import { lockHome } from './lock.ts'
import { lastServedRecords, machineRecords, modelRecords, pinRecords } from './records.ts'
import type { LastServedRecords, Pins, Records } from './records.ts'
import { settingsRecords } from './settings.ts'
import type { SettingsRecords } from './settings.ts'
import type { Machine } from '../contract/machine.ts'
import type { Model } from '../contract/model.ts'

export type { MessageRecords, ThreadRecords } from './chat-records.ts'
export { type Control, readControl, removeControl, writeControl } from './control.ts'
export type { HostKeyPin, LastServed, LastServedRecords, Pins, Records } from './records.ts'
export { openFileSecrets, type Secrets } from './secrets.ts'
export type { SettingName, Settings, SettingsRecords } from './settings.ts'

export interface Store extends Disposable {
  machines: Records<Machine>
  /** host keys that a person confirmed */
  pins: Pins
  models: Records<Model>
  lastServed: LastServedRecords
  threads: ThreadRecords
  messages: MessageRecords
  settings: SettingsRecords
  /** all of `work`'s changes, or none when it throws; not to be nested */
  atOnce<T>(work: () => T): T
  /** also ends the lock on the home */
  close(): void
}

/**
 * Opens the store and takes the home for this process. Throws `home_in_use` when another app has it, `store_failed`
 * when the database cannot be used.
 */
export function openStore(home: string): Store {
  const lock = lockHome(home)
  try {
    const db = openDatabase(home)
    let isOpen = true
    const close = (): void => {
      if (!isOpen) return
      isOpen = false
      db.close()
      lock[Symbol.dispose]()
    }
    return {
      machines: machineRecords(db),
      pins: pinRecords(db),
      models: modelRecords(db),
      lastServed: lastServedRecords(db),
      threads: threadRecords(db),
      messages: messageRecords(db),
      settings: settingsRecords(db),
      atOnce: (work) => transaction(db, work),
      close,
      [Symbol.dispose]: close,
    }
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}
