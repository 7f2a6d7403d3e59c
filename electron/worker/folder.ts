/** The worker's folder on a machine: every path in it, and nobody else's eyes on it. */
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { LanyardError } from '../contract/errors.ts'

export interface WorkerFolder {
  root: string
  run: string
  logs: string
  shards: string
  socket: string
  lock: string
  /** who runs: {pid, version, hash, protocol, startedAt} */
  identity: string
}

/** Makes the folder and its parts with mode 0700. Throws `worker_failed` where another user owns it or it is a link. */
export function openFolder(folder: string): WorkerFolder {
  const root = path.resolve(folder)
  const paths = {
    root,
    run: path.join(root, 'run'),
    logs: path.join(root, 'logs'),
    shards: path.join(root, 'shards'),
    socket: path.join(root, 'run', 'worker.sock'),
    lock: path.join(root, 'run', 'worker.lock'),
    identity: path.join(root, 'run', 'worker.json'),
  }
  mkdirSync(root, { recursive: true, mode: 0o700 })
  for (const part of [paths.run, paths.logs, paths.shards]) {
    try {
      mkdirSync(part, { mode: 0o700 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const facts = lstatSync(part)
    const uid = process.getuid?.()
    if (!facts.isDirectory() || (uid !== undefined && facts.uid !== uid)) {
      throw new LanyardError('worker_failed', `${part} is not a folder of this user.`, 'Move it away, then try again.')
    }
    if ((facts.mode & 0o077) !== 0) chmodSync(part, 0o700)
  }
  return paths
}

/** sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero. */
const longestSocketPath = 103

/**
 * The socket's address for listen and connect. A path too long for the kernel is reached through an open folder
 * instead; dispose closes that.
 */
export function socketAddress(folder: WorkerFolder): { path: string } & Disposable {
  if (Buffer.byteLength(folder.socket) <= longestSocketPath)
    return { path: folder.socket, [Symbol.dispose]: () => undefined }
  if (process.platform !== 'linux') {
    throw new LanyardError(
      'worker_failed',
      `The socket path ${folder.socket} is longer than ${longestSocketPath} bytes.`,
      'Use a folder with a shorter path.',
    )
  }
  const descriptor = openSync(folder.run, 'r')
  return { path: `/proc/self/fd/${descriptor}/worker.sock`, [Symbol.dispose]: () => closeSync(descriptor) }
}
