/** The real worker on a host that has no Node: it outlives its connection, ends after its lease, and leaves nothing. */
import { access, readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorkerBundle } from '../../electron/machines/machines.ts'
import { startLan } from './lan.ts'
import type { Lan, LanHost } from './lan.ts'
import type * as scenarios from './scenarios.ts'

const slow = { timeout: 20_000 }
const module = new URL('./scenarios.ts', import.meta.url)
const folder = path.resolve(import.meta.dirname, `../../dist/worker/linux-${process.arch}`)
const built = await access(path.join(folder, 'manifest.json')).then(
  () => true,
  () => false,
)
if (!built)
  console.log(`The worker bundle is not built (${folder}; npm run build makes it): the worker itself is left out.`)

describe.runIf(built)('the worker on a machine', () => {
  let lan: Lan
  let host: LanHost
  let bundle: WorkerBundle
  beforeAll(async () => {
    lan = await startLan({ hosts: 1 })
    host = lan.hosts[0]!
    const manifest = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as WorkerBundle['manifest']
    bundle = { folder, manifest, archive: path.join(folder, manifest.archive.path) }
  })
  afterAll(() => lan?.close())

  const input = async (leaseSeconds: number) => ({
    address: `${host.user}@${host.address}`,
    acceptHostKey: await host.hostKeyFingerprint(),
    bundle,
    leaseSeconds,
  })
  const own = async () => (await host.processes()).filter((each) => each.command.includes('/.lanyard/'))
  type Attached = { pid: number; hash: string }

  test('goes on when its connection breaks and is found again', async () => {
    const events: unknown[] = []
    const attached = lan.desktop.call<Attached>(
      module,
      'attachUntilLost' satisfies keyof typeof scenarios,
      await input(60),
      (event) => events.push(event),
    )
    await expect.poll(() => events.length, slow).toBe(1)
    await host.dropConnections()
    const first = await attached
    expect(first.hash).toBe(bundle.manifest.hash)
    await expect.poll(async () => (await own()).filter((each) => each.command.includes(' attach ')), slow).toEqual([])
    expect((await own()).length).toBe(1)
    const second = await lan.desktop.call<Attached>(
      module,
      'attachOnce' satisfies keyof typeof scenarios,
      await input(60),
    )
    expect(second.pid).toBe(first.pid)
    expect((await host.exec('ss -Hltn 2>/dev/null | grep -v ":22 "')).stdout).toBe('')
  })

  test('is gone with every file once the machine is removed', async () => {
    await lan.desktop.call(module, 'removeAll' satisfies keyof typeof scenarios, await input(60))
    expect(await own()).toEqual([])
    expect((await host.find(host.homePath)).toSorted()).toEqual([
      '/home/ada',
      '/home/ada/.ssh',
      '/home/ada/.ssh/authorized_keys',
    ])
    expect(await host.find('/tmp')).toEqual(['/tmp'])
  })

  test('ends by itself when no desktop came back within its lease', async () => {
    await lan.desktop.call<Attached>(module, 'attachOnce' satisfies keyof typeof scenarios, await input(1))
    await expect.poll(own, slow).toEqual([])
    expect((await host.exec('ls ~/.lanyard/run')).stdout).toBe('')
  })
})
