import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { once } from 'node:events'
import type { Answer } from 'dns-packet'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { FoundMachine } from '../../contract/machine.ts'
import { createFinder, mergeFound } from './find.ts'
import { hear, heardNothing, machinesHeard } from './mdns.ts'
import { knock, scanForMachines } from './scan.ts'
import { addressNumber, addressText, hostsOf, parseSubnet, scanAreas, subnetText } from './subnet.ts'

const refused = expect.objectContaining({ code: 'scan_refused' })

describe('a subnet', () => {
  test('is private and at most a /22', () => {
    expect(subnetText(parseSubnet('192.168.1.77/24'))).toBe('192.168.1.0/24')
    expect(subnetText(parseSubnet('10.0.0.5'))).toBe('10.0.0.5/32')
    expect(hostsOf(parseSubnet('172.16.0.0/22'))).toHaveLength(1022)
    expect(hostsOf(parseSubnet('10.0.0.0/30'))).toEqual(['10.0.0.1', '10.0.0.2'])
    expect(hostsOf(parseSubnet('10.0.0.4/31'))).toEqual(['10.0.0.4', '10.0.0.5'])
  })

  test.each([
    '8.8.8.0/24',
    '10.0.0.0/21',
    '0.0.0.0/0',
    '172.32.0.0/24',
    '127.0.0.0/24',
    '192.168.0.0/15',
    '100.64.0.0/24',
    '10.0.0/24',
    '10.0.0.0/33',
    '10.0.0.0/24/1',
    '10.0.0.256/24',
    '010.0.0.0/24',
    'fe80::/64',
    'x',
    '',
  ])('is refused with a hint: %j', (text) => {
    expect(() => parseSubnet(text)).toThrow(refused)
  })

  test('never leads to an address outside of the private ranges, or to more than 1022', () => {
    // half of them at the borders of the private ranges
    const near = fc
      .constantFrom('10.0.0.0', '172.16.0.0', '172.31.255.255', '192.168.0.0', '169.254.255.255')
      .chain((text) => fc.integer({ min: -2000, max: 2000 }).map((step) => (addressNumber(text) ?? 0) + step))
    fc.assert(
      fc.property(
        fc.oneof(near, fc.integer({ min: 0, max: 2 ** 32 - 1 })),
        fc.integer({ min: 16, max: 32 }),
        (address, prefix) => {
          let hosts: string[]
          try {
            hosts = hostsOf(parseSubnet(`${addressText(address)}/${prefix}`))
          } catch (error) {
            expect(error).toMatchObject({ code: 'scan_refused' })
            return
          }
          expect(hosts.length).toBeLessThanOrEqual(1022)
          for (const host of [hosts[0], hosts.at(-1)])
            expect(host).toMatch(/^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)/)
        },
      ),
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
        expect(addressNumber(addressText(value))).toBe(value)
      }),
    )
  })
})

describe('what a scan covers', () => {
  test('is the private networks of this computer, a big one narrowed and said so', () => {
    const areas = scanAreas([
      { name: 'eth0', address: '192.168.1.5', prefix: 24 },
      { name: 'eth1', address: '10.5.6.7', prefix: 8 },
      { name: 'wan', address: '93.184.216.34', prefix: 24 },
      { name: 'eth2', address: '192.168.1.6', prefix: 24 },
    ])
    expect(areas.map((area) => [subnetText(area.subnet), area.interface?.name, area.note !== null])).toEqual([
      ['192.168.1.0/24', 'eth0', false],
      ['10.5.6.0/24', 'eth1', true],
    ])
  })

  test('is refused where there is no private network', () => {
    expect(() => scanAreas([{ name: 'wan', address: '93.184.216.34', prefix: 24 }])).toThrow(refused)
    expect(() => scanAreas([])).toThrow(refused)
  })

  test('is the named subnet, with a note when no interface is in it', () => {
    const own = [{ name: 'eth0', address: '192.168.1.5', prefix: 24 }]
    expect(scanAreas(own, '192.168.1.0/28')[0]).toMatchObject({ interface: { name: 'eth0' }, note: null })
    expect(scanAreas(own, '10.0.0.0/24')[0]).toMatchObject({ interface: null, note: expect.stringContaining('router') })
  })
})

describe('knocking', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  async function serve(greeting: string | null): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      if (greeting !== null) socket.end(greeting)
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  test('tells SSH from other servers, silence and refusal', async () => {
    expect(await knock('127.0.0.1', await serve('SSH-2.0-OpenSSH_9.2p1 \u001b[31mDebian\r\n'), 2000)).toEqual({
      address: '127.0.0.1',
      result: 'ssh',
      banner: 'SSH-2.0-OpenSSH_9.2p1 Debian',
    })
    expect((await knock('127.0.0.1', await serve('220 smtp\r\n'), 2000)).result).toBe('other')
    expect((await knock('127.0.0.1', await serve('x'.repeat(5000)), 2000)).banner).toHaveLength(255)
    expect((await knock('127.0.0.1', await serve(null), 50)).result).toBe('other')
    const port = await serve('')
    servers.pop()?.close()
    expect((await knock('127.0.0.1', port, 2000)).result).toBe('refused')
  })

  test('does not begin for a subnet that is refused, and ends when it is cancelled', async () => {
    await expect(scanForMachines({ subnet: '8.8.8.8/32', interfaces: [] })).rejects.toMatchObject({
      code: 'scan_refused',
    })
    await expect(
      scanForMachines({ subnet: '10.0.0.0/30', interfaces: [], signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'cancelled' })
  })
})

describe('mDNS', () => {
  const srv = (name: string, port: number, ttl = 120): Answer => ({
    name,
    type: 'SRV',
    ttl,
    data: { target: 'Gpu-1.local', port, priority: 0, weight: 0 },
  })
  const a: Answer = { name: 'gpu-1.local', type: 'A', ttl: 120, data: '10.0.0.7' }

  test('puts a machine together from records that come in pieces and in any case', () => {
    const heard = heardNothing()
    expect(hear(heard, [srv('GPU-1._ssh._tcp.local', 2222)])).toBe(true)
    expect(machinesHeard(heard, 5)).toEqual([])
    expect(hear(heard, [a])).toBe(true)
    expect(machinesHeard(heard, 5)).toEqual([
      {
        id: 'mdns:10.0.0.7:2222',
        name: 'gpu-1',
        host: '10.0.0.7',
        port: 2222,
        user: null,
        via: 'mdns',
        detail: 'announces _ssh._tcp as gpu-1.local',
        at: 5,
      },
    ])
    expect(hear(heard, [a, srv('gpu-1._ssh._tcp.local', 2222)])).toBe(false)
    expect(hear(heard, [srv('gpu-1._ssh._tcp.local', 2222, 0)])).toBe(true)
    expect(machinesHeard(heard, 5)).toEqual([])
  })

  test('takes a workstation as port 22 and passes over other services and addresses', () => {
    const heard = heardNothing()
    hear(heard, [srv('gpu-1 [aa:bb]._workstation._tcp.local', 9), a])
    expect(machinesHeard(heard, 0)).toMatchObject([{ port: 22, detail: 'announces _workstation._tcp as gpu-1.local' }])
    const others = heardNothing()
    expect(hear(others, [srv('printer._ipp._tcp.local', 631), { ...a, data: 'not an address' }])).toBe(false)
  })

  test('remembers a bounded number of names', () => {
    const heard = heardNothing()
    for (let n = 0; n < 2000; n++) hear(heard, [srv(`m${n}._ssh._tcp.local`, 22)])
    expect(heard.instances.size).toBe(512)
  })
})

describe('the list of found machines', () => {
  const row = (via: FoundMachine['via'], name: string, host: string): FoundMachine => ({
    id: `${via}:${name}`,
    name,
    host,
    port: 22,
    user: null,
    via,
    detail: '',
    at: 0,
  })

  test('has one row per address, from the most certain source', () => {
    const rows = [
      row('scan', '10.0.0.7', '10.0.0.7'),
      row('mdns', 'gpu', '10.0.0.7'),
      row('scan', '10.0.0.8', '10.0.0.8'),
    ].map((machine) => ({ place: machine.host, machine }))
    expect(mergeFound(rows).map((machine) => machine.id)).toEqual(['mdns:gpu', 'scan:10.0.0.8'])
  })

  test('has the Hosts of the configuration by the name that adds them, and opens no socket without discovery', async () => {
    const changes: number[] = []
    using finder = await createFinder({
      noDiscovery: true,
      sshConfig: async () => 'Host gpu-1\n HostName 10.0.0.7\n User ada\n',
      known: async () => [{ name: 'old', host: '10.0.0.9', port: 22, user: 'ada' }],
      onChange: (found) => changes.push(found.length),
      now: () => 1,
    })
    expect(finder.found()).toMatchObject([
      { id: 'known:old', via: 'known' },
      {
        name: 'gpu-1',
        host: 'gpu-1',
        user: 'ada',
        via: 'ssh-config',
        detail: 'Host gpu-1 in ~/.ssh/config (10.0.0.7)',
      },
    ])
    expect(changes).toEqual([2])
  })

  test('tells of a configuration that cannot be read and goes on', async () => {
    const problems: string[] = []
    using finder = await createFinder({
      noDiscovery: true,
      sshConfig: async () => {
        throw new Error('no')
      },
      onProblem: (text) => problems.push(text),
    })
    expect(finder.found()).toEqual([])
    expect(problems).toEqual(['~/.ssh/config: no'])
  })
})
