/** IPv4 subnets: which may be scanned, and the addresses in them. */
import { LanyardError } from '../../contract/errors.ts'

export type Subnet = { base: number; prefix: number }

/** An interface of this computer that has a place on some network. */
export type OwnInterface = { name: string; address: string; prefix: number }

/** At most 1022 hosts: a minute of polite knocking. */
export const smallestPrefix = 22

const privateRanges: Subnet[] = [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
].map(([base, prefix]) => ({ base: addressNumber(String(base)) ?? 0, prefix: Number(prefix) }))

/** The address as a number below 2³², undefined for what is none. */
export function addressNumber(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((part) => !/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255))
    return undefined
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function addressText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

const sizeOf = (prefix: number) => 2 ** (32 - prefix)
const baseOf = (address: number, prefix: number) => Math.floor(address / sizeOf(prefix)) * sizeOf(prefix)

export function contains(subnet: Subnet, address: number): boolean {
  return baseOf(address, subnet.prefix) === subnet.base
}

export function subnetText(subnet: Subnet): string {
  return `${addressText(subnet.base)}/${subnet.prefix}`
}

/** A subnet that may be scanned: private, at most a /22. Throws `scan_refused`. */
export function parseSubnet(text: string): Subnet {
  const refuse = (why: string, hint: string) =>
    new LanyardError('scan_refused', `${text} is not scanned: ${why}.`, hint)
  const [addressPart = '', prefixPart = '', more] = text.trim().split('/')
  const address = addressNumber(addressPart)
  const prefix = prefixPart === '' ? 32 : Number(prefixPart)
  if (address === undefined || more !== undefined || !/^\d*$/.test(prefixPart) || prefix > 32)
    throw refuse('it is no IPv4 subnet', 'Write it as 192.168.1.0/24.')
  const subnet = { base: baseOf(address, prefix), prefix }
  if (!privateRanges.some((range) => prefix >= range.prefix && contains(range, subnet.base))) {
    throw refuse(
      'it is not a private network',
      'Only 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and 169.254.0.0/16 are scanned; add other machines by their address.',
    )
  }
  if (prefix < smallestPrefix)
    throw refuse(
      `a /${prefix} has ${sizeOf(prefix) - 2} addresses, more than the ${sizeOf(smallestPrefix) - 2} of a /${smallestPrefix}`,
      `Name a part of it: ${addressText(subnet.base)}/24.`,
    )
  return subnet
}

/** Every host address of the subnet, without network and broadcast address where there are such. */
export function hostsOf(subnet: Subnet): string[] {
  const size = sizeOf(subnet.prefix)
  const [first, last] = subnet.prefix >= 31 ? [0, size - 1] : [1, size - 2]
  return Array.from({ length: last - first + 1 }, (_, index) => addressText(subnet.base + first + index))
}

/**
 * What a scan covers: the given subnet, or the networks of this computer's interfaces. One that is too big is narrowed
 * to the /24 around our own address. Throws `scan_refused` when there is no private network.
 */
export function scanAreas(
  interfaces: OwnInterface[],
  subnet?: string,
): { subnet: Subnet; interface: OwnInterface | null; note: string | null }[] {
  const placed = interfaces.flatMap((own) => {
    const address = addressNumber(own.address)
    return address === undefined ? [] : [{ own, address }]
  })
  if (subnet !== undefined) {
    const wanted = parseSubnet(subnet)
    const through = placed.find(({ own, address }) =>
      contains({ base: baseOf(address, own.prefix), prefix: own.prefix }, wanted.base),
    )
    return [
      {
        subnet: wanted,
        interface: through?.own ?? null,
        note: through
          ? null
          : `None of this computer's interfaces is in ${subnetText(wanted)}: it is reached through a router, if at all.`,
      },
    ]
  }
  const areas = placed.flatMap(({ own, address }) => {
    if (!privateRanges.some((range) => own.prefix >= range.prefix && contains(range, address))) return []
    const prefix = own.prefix < smallestPrefix ? 24 : own.prefix
    const narrowed =
      prefix === own.prefix
        ? null
        : `${own.name} is on a /${own.prefix}, too big to scan: only the /24 around ${own.address} was tried.`
    return [{ subnet: { base: baseOf(address, prefix), prefix }, interface: own, note: narrowed }]
  })
  const distinct = areas.filter(
    (area, index) => areas.findIndex((other) => subnetText(other.subnet) === subnetText(area.subnet)) === index,
  )
  if (distinct.length === 0) {
    const have = interfaces.map((own) => `${own.name} ${own.address}/${own.prefix}`).join(', ')
    throw new LanyardError(
      'scan_refused',
      `This computer is on no private network (${have || 'it has no IPv4 address'}).`,
      'Connect it to the LAN, or name a subnet: lanyard machines scan --subnet 192.168.1.0/24.',
    )
  }
  return distinct
}
