/** The installation scripts against this computer's own shell, with a HOME of their own. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Hardware } from '../../contract/machine.ts'
import { reachThisComputer } from '../reach/local.ts'
import type { ExecOptions, Reach } from '../reach/reach.ts'
import { bytesNeeded, installWorker, removeWorker } from './install.ts'
import type { WorkerBundle } from './install.ts'

let folder: string
let home: string
let reach: Reach

const hardware: Hardware = {
  hostname: 'here',
  os: 'Linux',
  kernel: 'Linux 6',
  arch: process.arch,
  glibc: '2.36',
  cpu: { model: '', cores: 1, flags: [] },
  memoryTotal: 0,
  memoryFree: 0,
  home: '',
  diskFree: 0,
  diskTotal: 0,
  gpus: [],
  interfaces: [],
  tools: ['tar', 'gzip', 'sha256sum', 'awk', 'df'],
  at: 0,
}
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex')

async function makeBundle(salt: string): Promise<WorkerBundle> {
  const own = path.join(folder, `bundle-${salt}`)
  await mkdir(own)
  const contents = [
    { path: 'lanyard-worker', mode: '755', content: Buffer.from(`#!/bin/sh\necho ${salt}\n`) },
    { path: 'worker.mjs', mode: '644', content: Buffer.from(`// ${salt}`.repeat(1000)) },
  ]
  for (const file of contents) await writeFile(path.join(own, file.path), file.content)
  const packed = gzipSync(execFileSync('tar', ['-cf', '-', '-C', own, ...contents.map((file) => file.path)]))
  const archive = path.join(own, 'worker.tar.gz')
  await writeFile(archive, packed)
  const files = contents.map(({ content, ...rest }) => ({ ...rest, bytes: content.length, sha256: sha256(content) }))
  return {
    folder: own,
    archive,
    manifest: {
      version: '1',
      os: 'linux',
      arch: process.arch,
      hash: sha256(Buffer.from(JSON.stringify(files))).slice(0, 32),
      files,
      archive: { path: 'worker.tar.gz', bytes: packed.length, sha256: sha256(packed) },
    },
  }
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lanyard-install-'))
  home = path.join(folder, 'home')
  await mkdir(home)
  reach = reachThisComputer({ env: { HOME: home } })
})
afterEach(async () => {
  await reach.close()
  await rm(folder, { recursive: true, force: true })
})

const agents = () => path.join(home, '.lanyard/agents')
const install = (bundle: WorkerBundle) => installWorker(reach, hardware, bundle)

describe('installing', () => {
  test('puts the checked files there for the owner only, and does nothing the second time', async () => {
    const bundle = await makeBundle('a')
    const progress: number[] = []
    const first = await installWorker(reach, hardware, bundle, {
      onBytes: (sent, total) => progress.push(sent / total),
    })
    expect(first).toEqual({
      launcher: path.join(agents(), bundle.manifest.hash, 'lanyard-worker'),
      folder: path.join(home, '.lanyard'),
      sent: bundle.manifest.archive.bytes,
    })
    expect(progress.at(-1)).toBe(1)
    expect((await reach.exec([first.launcher])).stdout).toBe('a\n')
    expect(await readdir(agents())).toEqual([bundle.manifest.hash])
    for (const place of [path.join(home, '.lanyard'), agents(), path.dirname(first.launcher)])
      expect((await stat(place)).mode & 0o777).toBe(0o700)
    expect((await stat(path.join(path.dirname(first.launcher), 'worker.mjs'))).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(path.join(path.dirname(first.launcher), 'manifest.json'), 'utf8'))).toEqual(
      bundle.manifest,
    )
    expect(await install(bundle)).toEqual({ ...first, sent: 0 })
  })

  test.each(['changed', 'shortened', 'deleted', 'linked', 'unmarked'])(
    'sends the worker again when a file there was %s',
    async (how) => {
      const bundle = await makeBundle('a')
      const { launcher } = await install(bundle)
      const file = path.join(path.dirname(launcher), how === 'unmarked' ? '.complete' : 'worker.mjs')
      const content = await readFile(file)
      if (how === 'changed') await writeFile(file, Buffer.concat([content.subarray(1), Buffer.from('x')]))
      if (how === 'shortened') await writeFile(file, content.subarray(1))
      if (how !== 'changed' && how !== 'shortened') await rm(file)
      if (how === 'linked') await symlink(path.join(bundle.folder, 'worker.mjs'), file)
      expect((await install(bundle)).sent).toBe(bundle.manifest.archive.bytes)
      expect(await readFile(file)).toEqual(content)
      expect(await readdir(agents())).toEqual([bundle.manifest.hash])
      expect((await install(bundle)).sent).toBe(0)
    },
  )

  test('refuses bytes that changed on the way and leaves nothing of them', async () => {
    const bundle = await makeBundle('a')
    const packed = await readFile(bundle.archive)
    await writeFile(
      bundle.archive,
      Buffer.concat([packed.subarray(0, 50), Buffer.from([(packed[50] ?? 0) ^ 1]), packed.subarray(51)]),
    )
    await expect(install(bundle)).rejects.toMatchObject({
      code: 'worker_corrupt',
      message: expect.stringContaining('SHA-256'),
    })
    expect(await readdir(agents())).toEqual([])
    await writeFile(bundle.archive, packed.subarray(0, -1))
    await expect(install(bundle)).rejects.toMatchObject({
      code: 'worker_corrupt',
      message: expect.stringContaining(`${packed.length - 1} of`),
    })
    expect(await readdir(agents())).toEqual([])
  })

  test('refuses an archive whose files are not those of the manifest', async () => {
    const [bundle, other] = [await makeBundle('a'), await makeBundle('b')]
    bundle.manifest.archive = other.manifest.archive
    await expect(install({ ...bundle, archive: other.archive })).rejects.toMatchObject({
      code: 'worker_corrupt',
      message: expect.stringContaining('lanyard-worker'),
    })
    expect(await readdir(agents())).toEqual([])
  })

  test('says how much is needed and how much is free before it sends anything', async () => {
    const bundle = await makeBundle('a')
    bundle.manifest.files[0]!.bytes = 1e15
    await expect(install(bundle)).rejects.toMatchObject({
      code: 'no_space',
      message: expect.stringContaining(String(bytesNeeded(bundle))),
    })
    expect(existsSync(path.join(home, '.lanyard'))).toBe(false)
  })

  test('tells of another installation that is running, and takes over from one that was killed', async () => {
    const bundle = await makeBundle('a')
    const lock = path.join(agents(), `.lock-${bundle.manifest.hash}`)
    await mkdir(lock, { recursive: true })
    const start = (await readFile(`/proc/${process.pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ')[19]
    await writeFile(path.join(lock, 'owner'), `${process.pid} ${start}\n`)
    await expect(install(bundle)).rejects.toMatchObject({
      code: 'machine_busy',
      message: expect.stringContaining(String(process.pid)),
    })
    expect(existsSync(lock)).toBe(true)
    await writeFile(path.join(lock, 'owner'), `${process.pid} 1\n`)
    await writeFile(path.join(agents(), `.partial-${bundle.manifest.hash}-77`), 'left by the one that was killed')
    await install(bundle)
    expect(await readdir(agents())).toEqual([bundle.manifest.hash])
  })

  test('keeps two versions, and older ones while they run', async () => {
    const bundles = await Promise.all(['a', 'b', 'c', 'd'].map(makeBundle))
    const hashes = bundles.map((bundle) => bundle.manifest.hash)
    const age = async (index: number) => {
      const when = new Date(Date.now() - (10 - index) * 60_000)
      await utimes(path.join(agents(), hashes[index]!), when, when)
    }
    for (const index of [0, 1, 2]) {
      await install(bundles[index]!)
      await age(index)
    }
    expect((await readdir(agents())).toSorted()).toEqual([hashes[1]!, hashes[2]!].toSorted())
    const program = path.join(agents(), hashes[1]!, 'program')
    execFileSync('cp', ['/usr/bin/sleep', program])
    await chmod(program, 0o700)
    await age(1)
    const running = await reach.channel([program, '86397'])
    await expect
      .poll(async () =>
        (await reach.exec(['sh', '-c', 'readlink /proc/[0-9]*/exe | grep -c "$1"', 'sh', program])).stdout.trim(),
      )
      .toBe('1')
    await install(bundles[3]!)
    expect((await readdir(agents())).toSorted()).toEqual([hashes[1]!, hashes[2]!, hashes[3]!].toSorted())
    await removeWorker(reach, path.join(home, '.lanyard'))
    expect((await running.ended).code).not.toBe(0)
    expect(await readdir(home)).toEqual([])
  })

  test('puts nothing through a link that somebody laid', async () => {
    await mkdir(path.join(folder, 'elsewhere'))
    await symlink(path.join(folder, 'elsewhere'), path.join(home, '.lanyard'))
    await expect(install(await makeBundle('a'))).rejects.toMatchObject({
      code: 'worker_failed',
      message: expect.stringContaining('link'),
    })
    expect(await readdir(path.join(folder, 'elsewhere'))).toEqual([])
    await expect(removeWorker(reach, path.join(home, '.lanyard'))).rejects.toMatchObject({ code: 'worker_failed' })
  })

  test('says what a machine said when it does not behave', async () => {
    const odd = (stdout: string): Reach => ({
      ...reach,
      exec: (_argv: readonly string[], _options?: ExecOptions) =>
        Promise.resolve({ code: 5, stdout, stderr: 'This account is \u001b[31mdisabled' }),
    })
    await expect(installWorker(odd('welcome\n'), hardware, await makeBundle('a'))).rejects.toMatchObject({
      code: 'worker_failed',
      message: expect.stringContaining('status 5: This account is disabled'),
    })
  })
})

describe('removing', () => {
  test('leaves nothing, and is done when nothing was there', async () => {
    await install(await makeBundle('a'))
    await writeFile(path.join(home, '.lanyard/shard'), 'x')
    await writeFile(path.join(home, 'mine'), 'x')
    await removeWorker(reach, path.join(home, '.lanyard'))
    expect(await readdir(home)).toEqual(['mine'])
    await removeWorker(reach, path.join(home, '.lanyard'))
  })

  test('touches no other folder', async () => {
    await expect(removeWorker(reach, home)).rejects.toMatchObject({ code: 'worker_failed' })
    expect(existsSync(home)).toBe(true)
  })
})
