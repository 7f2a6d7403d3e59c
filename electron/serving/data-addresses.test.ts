import { describe, expect, test } from 'vitest'
import { chooseDataAddresses } from './data-addresses.ts'
import type { AddressedHost } from './data-addresses.ts'

const host = (
  machineId: string,
  address: string | null,
  ...interfaces: [string, string, number | null][]
): AddressedHost => ({
  machineId,
  name: machineId,
  address,
  interfaces: [
    { name: 'lo', addresses: ['127.0.0.1/8', '::1/128'], speed: null },
    ...interfaces.map(([name, cidr, speed]) => ({ name, addresses: [cidr, 'fe80::1/64'], speed })),
  ],
})

describe('the address ranks listen on', () => {
  test('is loopback when all ranks are on one machine', () => {
    const m = host('a', '10.0.0.2', ['eth0', '10.0.0.2/24', 1000])
    expect([...chooseDataAddresses([m, m])]).toEqual([['a', '127.0.0.1']])
  })

  test('is on the network that every machine shares, not on one that only some have', () => {
    const chosen = chooseDataAddresses([
      host('a', '10.0.0.2', ['eth0', '10.0.0.2/24', 1000], ['fast', '10.9.0.2/24', 25000]),
      host('b', '10.0.0.3', ['eth0', '10.0.0.3/24', 1000]),
    ])
    expect(Object.fromEntries(chosen)).toEqual({ a: '10.0.0.2', b: '10.0.0.3' })
  })

  test('is on the fastest shared network, even when SSH uses a slower one', () => {
    const chosen = chooseDataAddresses([
      host('a', '10.0.0.2', ['eth0', '10.0.0.2/24', 1000], ['fast', '10.9.0.2/24', 25000]),
      host('b', '10.0.0.3', ['eth0', '10.0.0.3/24', 1000], ['fast', '10.9.0.3/24', 10000]),
    ])
    expect(Object.fromEntries(chosen)).toEqual({ a: '10.9.0.2', b: '10.9.0.3' })
  })

  test('compares whole subnets: 10.0.0.2/24 and 10.0.1.3/24 are strangers, in a /16 they are neighbours', () => {
    const make = (bits: number): AddressedHost[] => [
      host('a', null, ['eth0', `10.0.0.2/${bits}`, null]),
      host('b', null, ['eth0', `10.0.1.3/${bits}`, null]),
    ]
    expect(() => chooseDataAddresses(make(24))).toThrow(/share no IPv4 network.*10\.0\.0\.2\/24.*10\.0\.1\.3\/24/)
    expect(Object.fromEntries(chooseDataAddresses(make(16)))).toEqual({ a: '10.0.0.2', b: '10.0.1.3' })
  })

  test('is never a container bridge that happens to have the same address everywhere', () => {
    expect(() =>
      chooseDataAddresses([
        host('a', null, ['docker0', '172.17.0.1/16', null]),
        host('b', null, ['docker0', '172.17.0.1/16', null]),
      ]),
    ).toThrow(/share no IPv4 network/)
  })
})
