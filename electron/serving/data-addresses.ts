/** Which address each machine's ranks listen on: one network that all of them share, the fastest if there are several. */
import { LanyardError } from '../contract/errors.ts'
import type { Hardware } from '../contract/machine.ts'

export interface AddressedHost {
  machineId: string
  name: string
  interfaces: Hardware['interfaces']
  /** what the SSH connection uses: preferred among equals */
  address: string | null
}

interface Candidate {
  address: string
  subnet: string
  speed: number
  preferred: boolean
}

/**
 * Data address per machine id. All ranks on one machine: loopback. Otherwise the subnet in which every machine
 * has an IPv4 address; among several the one whose slowest interface is fastest, then the one SSH uses.
 * Throws `plan_invalid` when the machines share no network.
 */
export function chooseDataAddresses(hosts: AddressedHost[]): Map<string, string> {
  const only = hosts[0]
  if (only && hosts.every((host) => host.machineId === only.machineId)) return new Map([[only.machineId, '127.0.0.1']])

  const perHost = hosts.map((host) => ({ host, candidates: candidatesOf(host) }))
  const subnets = [...new Set(perHost.flatMap(({ candidates }) => candidates.map((c) => c.subnet)))]
  const ranked = subnets
    .map((subnet) => perHost.map(({ candidates }) => best(candidates.filter((c) => c.subnet === subnet))))
    .filter((chosen): chosen is Candidate[] => chosen.every((c) => c !== undefined))
    .sort((a, b) => slowest(b) - slowest(a) || preferredCount(b) - preferredCount(a))
  const chosen = ranked[0]
  if (!chosen) {
    const names = hosts.map(
      (host) =>
        `${host.name} (${
          host.interfaces
            .flatMap((i) => i.addresses)
            .filter(isUsable)
            .join(', ') || 'no address'
        })`,
    )
    throw new LanyardError(
      'plan_invalid',
      `These machines share no IPv4 network: ${names.join('; ')}.`,
      'Connect them to one switch or subnet, or choose machines that are on one.',
    )
  }
  return new Map(hosts.map((host, i) => [host.machineId, chosen[i]!.address]))
}

function candidatesOf(host: AddressedHost): Candidate[] {
  return host.interfaces.flatMap((networkInterface) =>
    networkInterface.addresses.filter(isUsable).map((text) => {
      const [address = '', bits = '32'] = text.split('/')
      return {
        address,
        subnet: subnetOf(address, Number(bits)),
        speed: networkInterface.speed ?? 0,
        preferred: address === host.address,
      }
    }),
  )
}

/** IPv4 with a prefix, not loopback or link-local, and not the bridges containers make for themselves (172.17/16). */
function isUsable(text: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+\/\d+$/.test(text) && !/^(127\.|169\.254\.|172\.17\.)/.test(text)
}

function subnetOf(address: string, bits: number): string {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - bits)
  return `${Math.floor(value / size) * size}/${bits}`
}

function best(candidates: Candidate[]): Candidate | undefined {
  return [...candidates].sort((a, b) => Number(b.preferred) - Number(a.preferred) || b.speed - a.speed)[0]
}

function slowest(chosen: Candidate[]): number {
  return Math.min(...chosen.map((c) => c.speed))
}

function preferredCount(chosen: Candidate[]): number {
  return chosen.filter((c) => c.preferred).length
}
