/** The folder of one test LAN, and the removal of those whose owner is gone. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const parent = join(tmpdir(), 'lanyard-lan')
let count = 0

/** When a process started, in clock ticks since boot: tells a process from a later one with the same number. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** Makes the folder `<tmp>/lanyard-lan/<pid>-<n>`, marked with its owner. */
export async function makeFolder(): Promise<string> {
  await sweep()
  const folder = join(parent, `${process.pid}-${count++}`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'owner'), `${process.pid} ${await startOf(process.pid)}`)
  return folder
}

/**
 * Removes what a LAN left in the temporary folder when its owner was killed. The processes and interfaces need no
 * sweeping: the kernel ended them with the owner.
 */
export async function sweep(): Promise<string[]> {
  const removed: string[] = []
  if (!existsSync(parent)) return removed
  for (const name of await readdir(parent)) {
    const folder = join(parent, name)
    const owner = await readFile(join(folder, 'owner'), 'utf8').catch(() => undefined)
    // without a mark it may be one that is just being made by its live owner
    const [pid, start] = owner === undefined ? [name.split('-')[0], undefined] : owner.split(' ')
    const now = await startOf(Number(pid))
    if (now !== undefined && (start === undefined || start === now)) continue
    await rm(folder, { recursive: true, force: true })
    removed.push(folder)
  }
  return removed
}
