import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FoundMachine, ScanReport } from '../../electron/contract/machine.ts'
import { startLan } from './lan.ts'
import type { Announcement, Lan } from './lan.ts'
import type * as scenarios from './scenarios.ts'

const slow = { timeout: 20_000 }
const module = new URL('./scenarios.ts', import.meta.url)

describe('finding machines', () => {
  let lan: Lan
  beforeAll(async () => {
    lan = await startLan({ hosts: 3 })
  })
  afterAll(() => lan?.close())
  const call = <T>(name: keyof typeof scenarios, input: unknown = null, onEvent?: (event: unknown) => void) =>
    lan.desktop.call<T>(module, name, input, onEvent)
  type Discovered = { found: FoundMachine[]; problems: string[]; milliseconds: number }

  test('a scan of the LAN shows every sshd with its greeting and says what it did', async () => {
    await lan.hosts[2]!.stopSshd()
    const report = await call<ScanReport>('scan', {})
    await lan.hosts[2]!.startSshd()
    expect(report).toMatchObject({ subnet: '10.77.0.0/24', interface: 'eth0', addressesTried: 253 })
    expect(report.found.map((machine) => machine.host)).toEqual(['10.77.0.11', '10.77.0.12'])
    expect(report.found[0]).toMatchObject({ via: 'scan', port: 22, detail: expect.stringMatching(/^SSH-2\.0-OpenSSH/) })
    expect(report.notes[0]).toMatch(
      /^Tried port 22 on 253 addresses of 10\.77\.0\.0\/24 through eth0: 2 greeted as SSH, 1 refused, 0 were something else, 250 did not answer/,
    )
    console.log(`Scan of a /24: ${report.seconds.toFixed(1)} s`)
    expect(report.seconds).toBeLessThan(15)
  })

  test('a scan that finds nothing says what was tried and what hides machines', async () => {
    for (const host of lan.hosts) await host.stopSshd()
    const report = await call<ScanReport>('scan', { subnet: '10.77.0.0/27' })
    for (const host of lan.hosts) await host.startSshd()
    expect(report.found).toEqual([])
    expect(report.notes[1]).toContain('3 addresses are there but sshd is not listening')
    expect(report.notes.join('\n')).toMatch(/firewall[\s\S]*Wi-Fi[\s\S]*VLAN[\s\S]*VPN[\s\S]*another port/)
  })

  test('a scan of a foreign or too big subnet is refused', async () => {
    await expect(call('scan', { subnet: '10.0.0.0/8' })).rejects.toMatchObject({
      code: 'scan_refused',
      hint: expect.stringContaining('10.0.0.0/24'),
    })
    await expect(call('scan', { subnet: '93.184.216.0/24' })).rejects.toMatchObject({ code: 'scan_refused' })
  })

  test('machines that announce themselves are found by asking', async () => {
    await using first = await lan.hosts[0]!.announce('ssh')
    await using second = await lan.hosts[1]!.announce('workstation')
    const { found, problems, milliseconds } = await call<Discovered>('discover', { count: 2, ask: true })
    console.log(`mDNS: two machines in ${milliseconds.toFixed(0)} ms`)
    expect(problems).toEqual([])
    expect(
      found
        .map(({ name, host, port, via }) => ({ name, host, port, via }))
        .toSorted((a, b) => a.host.localeCompare(b.host)),
    ).toEqual([
      { name: 'host1', host: '10.77.0.11', port: 22, via: 'mdns' },
      { name: 'host2', host: '10.77.0.12', port: 22, via: 'mdns' },
    ])
    expect([first, second]).toHaveLength(2)
  })

  test('listening alone hears a machine that joins, and sends nothing', async () => {
    const counter = async () =>
      Number((await lan.desktop.exec("awk '/^Udp:/ { line++; if (line == 2) print $5 }' /proc/net/snmp")).stdout)
    const before = await counter()
    const events: unknown[] = []
    const listening = call<Discovered>('discover', { count: 1, ask: false }, (event) => events.push(event))
    await expect.poll(() => events, slow).toEqual(['listening'])
    // its announcement may come before the socket has joined the group: it is repeated, as real responders do
    let announcement: Announcement | undefined
    let done = false
    void listening.finally(() => (done = true))
    while (!done) {
      await announcement?.stop()
      announcement = await lan.hosts[2]!.announce()
    }
    await announcement?.stop()
    expect((await listening).found).toMatchObject([{ name: 'host3', host: '10.77.0.13', via: 'mdns' }])
    expect(await counter()).toBe(before)
  })

  test('all sources make one list, the most certain first', async () => {
    await using _ = await lan.hosts[0]!.announce()
    const { found, interfaces } = await call<{ found: FoundMachine[]; interfaces: string[] }>('everything')
    expect(interfaces).toEqual(['eth0 10.77.0.1/24'])
    expect(found.map(({ name, via, user }) => ({ name, via, user }))).toEqual(
      ['host1', 'host2', 'host3'].map((name) => ({ name, via: 'ssh-config', user: 'ada' })),
    )
  })
})
