import { access, readFile, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorkerBundle } from '../../electron/machines/machines.ts'
import { makeFakeBundle } from './fake-bundle.ts'
import { startLan } from './lan.ts'
import type { Lan, LanHost } from './lan.ts'
import type * as scenarios from './scenarios.ts'
import type { InstallResult } from './scenarios.ts'

const slow = { timeout: 20_000 }
const module = new URL('./scenarios.ts', import.meta.url)
const realBundle = path.resolve(import.meta.dirname, `../../dist/worker/linux-${process.arch}`)

/** A `cat` that flips a bit of the tenth byte whenever it receives an upload. */
const flippingCat = `#!/usr/bin/perl
binmode STDIN; binmode STDOUT; local $/; my $bytes = <STDIN>;
substr($bytes, 10, 1) = chr(ord(substr($bytes, 10, 1)) ^ 1) if !@ARGV && length($bytes) > 1000;
print $bytes;
`

describe('installing the worker over SSH', () => {
  let lan: Lan
  let plain: LanHost
  let small: LanHost
  let corrupting: LanHost
  let bundle: WorkerBundle
  beforeAll(async () => {
    lan = await startLan({ hosts: 3, each: [undefined, { diskQuota: '3m' }, { programs: { cat: flippingCat } }] })
    ;[plain, small, corrupting] = lan.hosts as [LanHost, LanHost, LanHost]
    bundle = await makeFakeBundle(path.join(lan.folder, 'bundle'), 'first', 2)
  })
  afterAll(() => lan?.close())

  const inputFor = async (host: LanHost, sent: WorkerBundle = bundle) => ({
    address: `${host.user}@${host.address}`,
    acceptHostKey: await host.hostKeyFingerprint(),
    bundle: sent,
  })
  const install = async (host: LanHost, sent?: WorkerBundle, onEvent?: (event: unknown) => void) =>
    lan.desktop.call<InstallResult>(
      module,
      'install' satisfies keyof typeof scenarios,
      await inputFor(host, sent),
      onEvent,
    )
  const traces = (host: LanHost) => host.find(`${host.homePath}/.lanyard`)

  test('puts it there once, checked, and talks through it; the second time nothing is sent', async () => {
    const first = await install(plain)
    const folder = `/home/ada/.lanyard/agents/${bundle.manifest.hash}`
    expect(first).toMatchObject({
      echoed: 'hello',
      progress: bundle.manifest.archive.bytes,
      installed: {
        launcher: `${folder}/lanyard-worker`,
        folder: '/home/ada/.lanyard',
        sent: bundle.manifest.archive.bytes,
      },
    })
    expect((await traces(plain)).toSorted()).toEqual(
      [
        '',
        '/agents',
        `/agents/${bundle.manifest.hash}`,
        ...['.complete', 'lanyard-worker', 'manifest.json', 'node', 'worker.mjs'].map(
          (file) => `/agents/${bundle.manifest.hash}/${file}`,
        ),
      ]
        .map((rest) => `/home/ada/.lanyard${rest}`)
        .toSorted(),
    )
    expect(await readFile(plain.outside(`${folder}/node`))).toEqual(await readFile(path.join(bundle.folder, 'node')))
    const modes = (await plain.exec('stat -c "%a %U" ~/.lanyard ~/.lanyard/agents ~/.lanyard/agents/*')).stdout
    expect(new Set(modes.trim().split('\n'))).toEqual(new Set(['700 ada']))
    const second = await install(plain)
    expect(second).toMatchObject({ echoed: 'hello', progress: 0, installed: { sent: 0 } })
  })

  test('says how many bytes are missing on a full machine and leaves none behind', async () => {
    const before = await small.find(small.homePath)
    await expect(install(small)).rejects.toMatchObject({
      code: 'no_space',
      message: expect.stringMatching(/needs .* \(\d+ bytes\).* \(\d+ bytes\) are free/),
      hint: expect.stringContaining('df -h'),
    })
    expect(await small.find(small.homePath)).toEqual(before)
  })

  test('leaves nothing behind when the disk fills up while the bytes arrive', async () => {
    // to the check beforehand there is room enough
    await writeFile(
      path.join(lan.folder, 'host2/local/bin/df'),
      `#!/bin/sh\necho 'Filesystem 1024-blocks Used Available Capacity Mounted'\necho 'x 9999999 1 9999998 1% /home'\n`,
      { mode: 0o755 },
    )
    await expect(install(small)).rejects.toMatchObject({ code: 'no_space' })
    expect((await traces(small)).filter((file) => !/\.lanyard(\/agents)?$/.test(file))).toEqual([])
  })

  test('notices a flipped bit on the far side and keeps nothing of it', async () => {
    await expect(install(corrupting)).rejects.toMatchObject({
      code: 'worker_corrupt',
      message: expect.stringContaining('SHA-256'),
    })
    expect((await traces(corrupting)).filter((file) => !/\.lanyard(\/agents)?$/.test(file))).toEqual([])
  })

  test('cleans up after a connection that broke while sending, and the next try succeeds', async () => {
    const big = await makeFakeBundle(path.join(lan.folder, 'big'), 'big', 8)
    await plain.setRate('40mbit')
    const events: unknown[] = []
    const installing = install(plain, big, (event) => events.push(event))
    installing.catch(() => undefined)
    await expect.poll(() => events, slow).toEqual(['sending'])
    await plain.dropConnections()
    await expect(installing).rejects.toMatchObject({ code: 'machine_away' })
    await plain.setRate(undefined)
    await expect
      .poll(async () => (await traces(plain)).filter((file) => /\/\.(partial|unpack|lock)/.test(file)), slow)
      .toEqual([])
    expect((await install(plain, big)).echoed).toBe('hello')
  })

  test('tells a second desktop that a first one is installing', async () => {
    const other = await makeFakeBundle(path.join(lan.folder, 'other'), 'other', 8)
    await plain.setRate('40mbit')
    const installing = install(plain, other)
    await expect.poll(async () => (await traces(plain)).filter((file) => file.endsWith('/owner')).length, slow).toBe(1)
    await expect(install(plain, other)).rejects.toMatchObject({ code: 'machine_busy' })
    await plain.setRate(undefined)
    expect((await installing).echoed).toBe('hello')
    expect((await traces(plain)).filter((file) => file.endsWith('.complete')).length).toBe(2)
  })

  test('removes every file and every process', async () => {
    await plain.exec('echo mine > ~/mine')
    const pids: unknown[] = []
    await lan.desktop.call(
      module,
      'installAndRemove' satisfies keyof typeof scenarios,
      await inputFor(plain),
      (event) => pids.push(event),
    )
    expect(pids).toHaveLength(1)
    expect(await traces(plain)).toEqual([])
    expect(
      (await plain.processes()).map((process) => process.command).filter((command) => !command.startsWith('sshd:')),
    ).toEqual([])
    expect((await plain.find(plain.homePath)).toSorted()).toEqual([
      '/home/ada',
      '/home/ada/.ssh',
      '/home/ada/.ssh/authorized_keys',
      '/home/ada/mine',
    ])
    expect(await plain.find('/tmp')).toEqual(['/tmp'])
  })

  test('sends the real bundle, which starts where there is no Node', async () => {
    const there = await access(path.join(realBundle, 'manifest.json')).then(
      () => true,
      () => false,
    )
    if (!there) {
      console.log(`The real worker bundle is not built (${realBundle}): only the small one of this test was installed.`)
      return
    }
    expect(await readdir(realBundle)).toContain('worker.tar.gz')
    const manifest = JSON.parse(
      await readFile(path.join(realBundle, 'manifest.json'), 'utf8'),
    ) as WorkerBundle['manifest']
    const real: WorkerBundle = { folder: realBundle, manifest, archive: path.join(realBundle, manifest.archive.path) }
    const result = await lan.desktop.call<{
      installed: { launcher: string; sent: number }
      version: string
      milliseconds: number
    }>(module, 'installReal' satisfies keyof typeof scenarios, await inputFor(plain, real))
    console.log(
      `Real bundle: ${(result.installed.sent / 1e6).toFixed(1)} MB installed in ${(result.milliseconds / 1000).toFixed(1)} s`,
    )
    expect(result.installed.sent).toBe(manifest.archive.bytes)
    expect(JSON.parse(result.version)).toEqual({ version: manifest.version, hash: manifest.hash })
    const again = await lan.desktop.call<{ installed: { sent: number }; milliseconds: number }>(
      module,
      'installReal' satisfies keyof typeof scenarios,
      await inputFor(plain, real),
    )
    expect(again.installed.sent).toBe(0)
    console.log(`Second time: nothing sent, checked in ${again.milliseconds.toFixed(0)} ms`)
  })
})
