import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sweep } from './folder.ts'
import { startLan } from './lan.ts'
import type { Lan } from './lan.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const ssh = 'ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o ConnectTimeout=5'

describe('the test LAN', () => {
  let lan: Lan
  beforeAll(async () => {
    lan = await startLan({
      hosts: 2,
      passwordAuth: true,
      each: [{ gpus: [{ name: 'NVIDIA GeForce RTX 4090', memoryMiB: 24564 }] }, { diskQuota: '4m' }],
    })
  }, 60_000)
  afterAll(() => lan?.close())

  test('lets the desktop sign in on every host with its key, as the user, over its own sshd', async () => {
    for (const host of lan.hosts) {
      const ended = await lan.desktop.exec(`${ssh} ${host.name} 'id -un; hostname; echo $HOME; pwd'`)
      expect(ended.stdout.split('\n').slice(0, 4)).toEqual(['ada', host.name, '/home/ada', '/home/ada'])
    }
    const keys = await Promise.all(lan.hosts.map((host) => host.hostKeyFingerprint()))
    expect(new Set(keys).size).toBe(2)
  })

  test('hides the checkout, the desktop home, the other hosts and node from a host', async () => {
    const [first, second] = lan.hosts
    await first?.exec('echo mine > ~/mine')
    expect(await second?.find('/home')).not.toContain('/home/ada/mine')
    for (const path of [checkout, lan.desktop.home, lan.folder]) expect(await first?.find(path)).toEqual([])
    expect((await first?.exec('command -v node npm npx'))?.stdout).toBe('')
    expect((await first?.exec('for n in $(find / -name node -type f 2>/dev/null); do $n -v; done'))?.stdout).toBe('')
  })

  test('has no route to the outside and no network in common with this computer', async () => {
    const routes = await lan.desktop.exec('ip -4 route; ip -br link')
    expect(routes.stdout).toContain('10.77.0.0/24')
    expect(routes.stdout).not.toContain('default')
    expect(await readFile('/proc/net/dev', 'utf8')).not.toContain('br0')
  })

  test('shows processes and files of a host, and ends only the sessions when connections are dropped', async () => {
    const host = lan.hosts[0]!
    const session = lan.desktop.spawn('bash', [
      '-c',
      `${ssh} ${host.name} 'setsid sleep 4711 >/dev/null 2>&1 & echo up; sleep 4712'`,
    ])
    await once(session.child.stdout!, 'data')
    // The shell says "up" without waiting for what it has put into the background.
    await expect
      .poll(async () => (await host.processes()).map((process) => process.command), { timeout: 10_000 })
      .toEqual(expect.arrayContaining(['sleep 4711', 'sleep 4712']))
    await host.dropConnections()
    expect((await session.ended).code).toBe(255)
    expect((await host.processes()).map((process) => process.command)).toContain('sleep 4711')
    await host.exec('pkill -f "sleep 471"', { root: true })
  })

  test('changes a host key, stops and starts sshd', async () => {
    const host = lan.hosts[0]!
    const before = await host.hostKeyFingerprint()
    await host.replaceHostKey()
    expect(await host.hostKeyFingerprint()).not.toBe(before)
    expect((await lan.desktop.exec(`${ssh} ${host.name} true`)).stderr).toContain(
      'REMOTE HOST IDENTIFICATION HAS CHANGED',
    )
    await host.stopSshd()
    expect((await lan.desktop.exec(`${ssh} ${host.name} true`)).stderr).toContain('Connection refused')
    await host.startSshd()
    expect((await lan.desktop.exec(`rm ~/.ssh/known_hosts; ${ssh} ${host.name} true`)).code).toBe(0)
  })

  test('gives a host a fake card and another a small disk', async () => {
    const smi = await lan.hosts[0]!.exec('nvidia-smi --query-gpu=index,name,memory.total --format=csv,noheader,nounits')
    expect(smi.stdout.trim()).toBe('0, NVIDIA GeForce RTX 4090, 24564')
    expect((await lan.hosts[1]!.exec('head -c 8000000 /dev/zero > ~/big')).stderr).toContain('No space left')
  })

  test('limits the rate of a link and takes the limit away again', async () => {
    const host = lan.hosts[0]!
    const seconds = async () => {
      const start = performance.now()
      await lan.desktop.exec(`head -c 2000000 /dev/zero | ${ssh} ${host.name} 'cat >/dev/null'`)
      return (performance.now() - start) / 1000
    }
    await host.setRate('10mbit')
    expect(await seconds()).toBeGreaterThan(1.2)
    await host.setRate(undefined)
    expect(await seconds()).toBeLessThan(1.2)
  })

  test('calls a function on the desktop and reaches its loopback from outside', async () => {
    const module = new URL('./desktop-probe.ts', import.meta.url)
    const seen = await lan.desktop.call<{ home: string; addresses: string[] }>(module, 'look')
    expect(seen.home).toBe(lan.desktop.home)
    expect(seen.addresses).toContain('10.77.0.1')
    await expect(lan.desktop.call(module, 'fail')).rejects.toMatchObject({
      code: 'host_unreachable',
      message: 'on purpose',
    })
    const events: unknown[] = []
    const serving = lan.desktop.call(module, 'serveOnce', null, (event) => events.push(event))
    await expect.poll(() => events.length).toBe(1)
    await using forward = await lan.desktop.forward(Number(events[0]))
    expect(await (await fetch(forward.url)).text()).toBe('hello from the desktop')
    await serving
  })
})

test('leaves no process and no interface when its owner is killed, and the next start removes its folder', async () => {
  const cli = fileURLToPath(new URL('./cli.ts', import.meta.url))
  const child = spawn(process.execPath, [cli, '--hosts', '1', '--', 'sh', '-c', 'echo in; exec sleep 86399'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const folder = `/tmp/lanyard-lan/${child.pid}-0`
  const ours = async () => {
    const lines = await Promise.all(
      (await readdir('/proc'))
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    )
    return lines.filter((line) => line.includes(folder) || line.includes('86399'))
  }
  expect((await ours()).length).toBeGreaterThan(2)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await expect.poll(ours).toEqual([])
  await sweep()
  expect(existsSync(folder)).toBe(false)
}, 60_000)

test('delays every frame where the delaying switch is there, and says so where it is not', async () => {
  const source = new URL('../../../shared/tools/delayswitch/delayswitch.cc', import.meta.url)
  if (!existsSync(source)) {
    console.log('The delaying switch of ../shared is not here: only its absence is tested.')
    await expect(startLan({ hosts: 1, shape: { delayMs: 5 } })).rejects.toThrow(/delaying switch, which is not here/)
    return
  }
  const module = new URL('./desktop-probe.ts', import.meta.url)
  await using near = await startLan({ hosts: 1 })
  await using far = await startLan({ hosts: 1, shape: { rate: '1gbit', delayMs: 5 } })
  const times = await Promise.all(
    [near, far].map((lan) => lan.desktop.call<number>(module, 'roundTrip', lan.hosts[0]!.address)),
  )
  console.log(`TCP round trip: ${times[0]!.toFixed(2)} ms on the bridge, ${times[1]!.toFixed(2)} ms with 5 ms each way`)
  expect(times[0]).toBeLessThan(5)
  expect(times[1]).toBeGreaterThan(10)
})

test('refuses a number of hosts that makes no sense', async () => {
  for (const hosts of [0, 100, 1.5, Number.NaN]) await expect(startLan({ hosts })).rejects.toThrow(/1 to 99 hosts/)
})
