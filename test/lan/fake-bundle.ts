/**
 * A worker bundle of a few kilobytes in the format of build/worker-bundle.ts, for tests of installing: its
 * `lanyard-worker` is a shell script that echoes when attached and can leave a process running.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { WorkerBundle } from '../../electron/machines/machines.ts'
import { mustRun } from './space.ts'

const sha256 = (content: Buffer | string) => createHash('sha256').update(content).digest('hex')

/** `attach` echoes its input; `linger` starts a process that outlives the connection and prints its id. */
const program = `#!/bin/sh
here=$(dirname "$0")
case $1 in
  attach) exec cat ;;
  linger) cp /usr/bin/sleep "$here/rank"; setsid "$here/rank" 86398 >/dev/null 2>&1 & echo $! ;;
esac
`

/** `salt` makes another content, so another hash. @param megabytes of incompressible ballast */
export async function makeFakeBundle(folder: string, salt = '', megabytes = 0): Promise<WorkerBundle> {
  await mkdir(folder, { recursive: true })
  const noise = Buffer.concat(
    Array.from({ length: megabytes * 32768 }, (_, index) => createHash('sha256').update(`${salt}${index}`).digest()),
  )
  const contents = [
    { path: 'lanyard-worker', mode: '755', content: Buffer.from(program) },
    { path: 'node', mode: '755', content: noise },
    { path: 'worker.mjs', mode: '644', content: Buffer.from(`// ${salt}\n`) },
  ]
  for (const { path: name, content } of contents) await writeFile(path.join(folder, name), content)
  const names = contents.map((file) => file.path)
  await mustRun(['tar', '-cf', path.join(folder, 'worker.tar'), '-C', folder, ...names])
  const archive = path.join(folder, 'worker.tar.gz')
  const packed = gzipSync(Buffer.from(await mustRun(['base64', '-w0', path.join(folder, 'worker.tar')]), 'base64'))
  await writeFile(archive, packed)
  const files = contents.map(({ path: name, mode, content }) => ({
    path: name,
    mode,
    bytes: content.length,
    sha256: sha256(content),
  }))
  const hash = sha256(files.map((file) => `${file.path} ${file.mode} ${file.bytes} ${file.sha256}\n`).join('')).slice(
    0,
    32,
  )
  const arch = process.arch
  return {
    folder,
    archive,
    manifest: {
      version: '0.0.0',
      os: 'linux',
      arch,
      hash,
      files,
      archive: { path: 'worker.tar.gz', bytes: packed.length, sha256: sha256(packed) },
    },
  }
}
