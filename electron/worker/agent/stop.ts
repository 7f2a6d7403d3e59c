/** `lanyard-worker stop`: ends the worker of a folder and its ranks, and waits until they are gone. */
import { rmSync } from 'node:fs'
import process from 'node:process'
import { LanyardError } from '../../contract/errors.ts'
import { openFolder } from '../folder.ts'
import { isAlive, lockHolder } from '../lock.ts'

/** Ranks get 2 s, then they are killed; a worker that is stuck beyond that is killed too, which ends its ranks. */
const graceMs = 6000

/** Resolves when nothing of the worker runs any more. Throws `worker_failed` when it cannot be ended. */
export async function stopWorker(folderPath: string): Promise<void> {
  const folder = openFolder(folderPath)
  const holder = lockHolder(folder.lock)
  if (!holder) return
  const gone = async (ms: number): Promise<boolean> => {
    for (const end = Date.now() + ms; isAlive(holder);) {
      if (Date.now() >= end) return false
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return true
  }
  signal(holder.pid, 'SIGTERM')
  if (await gone(graceMs)) return
  signal(holder.pid, 'SIGKILL')
  if (!(await gone(graceMs)))
    throw new LanyardError(
      'worker_failed',
      `The worker (process ${holder.pid}) does not end.`,
      'End it by hand on the machine.',
    )
  for (const file of [folder.socket, folder.identity, folder.lock]) rmSync(file, { force: true })
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
