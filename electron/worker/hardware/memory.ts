import os from 'node:os'
import process from 'node:process'

/** Memory that processes here may use: the machine's, or what a container leaves of it. */
export function memoryTotal(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(os.totalmem(), limit) : os.totalmem()
}
