/** `control.json`: where the running app is reached, for the command line. Readable by its owner only. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { writePrivate } from './private-file.ts'

const control = z.object({
  pid: z.number(),
  /** null without a browser interface */
  uiUrl: z.nullable(z.string()),
  /** WebSocket of the contract */
  rpcUrl: z.string(),
  token: z.string(),
})
export type Control = z.infer<typeof control>

const pathIn = (home: string): string => join(home, 'control.json')

/** Written whole or not at all. */
export function writeControl(home: string, value: Control): void {
  writePrivate(pathIn(home), `${JSON.stringify(value)}\n`)
}

/** Null when no app runs for this home: no file, an unreadable one, or one of a process that is gone. */
export function readControl(home: string): Control | null {
  try {
    const value = control.parse(JSON.parse(readFileSync(pathIn(home), 'utf8')))
    return isAlive(value.pid) ? value : null
  } catch {
    return null
  }
}

/** Removes the file if it is this process's own. */
export function removeControl(home: string): void {
  if (readControl(home)?.pid === process.pid) rmSync(pathIn(home), { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // it exists and belongs to another user
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
