/** Machines that announce themselves by multicast DNS (`_ssh._tcp`, `_workstation._tcp`). */
import type { Answer } from 'dns-packet'
import makeMdns from 'multicast-dns'
import type { FoundMachine } from '../../contract/machine.ts'
import { harmlessText } from '../probe/parse.ts'
import { addressNumber } from './subnet.ts'
import type { OwnInterface } from './subnet.ts'

export const services = ['_ssh._tcp.local', '_workstation._tcp.local'] as const

/** What has been heard so far: records keep coming in pieces. */
export type Heard = {
  /** service instance → host name and port */
  instances: Map<string, { target: string; port: number; service: string }>
  /** host name → IPv4 address */
  addresses: Map<string, string>
}

export const heardNothing = (): Heard => ({ instances: new Map(), addresses: new Map() })

/** More than that is no LAN of ours but somebody flooding it. */
const mostInstances = 512

/** Takes in the records of one packet (a farewell, TTL 0, removes) and says whether anything is new. */
export function hear(heard: Heard, records: readonly Answer[]): boolean {
  let changed = false
  const set = <T>(map: Map<string, T>, key: string, value: T) => {
    if (JSON.stringify(map.get(key)) === JSON.stringify(value) || (map.size >= mostInstances && !map.has(key))) return
    map.set(key, value)
    changed = true
  }
  for (const record of records) {
    const name = record.name.toLowerCase()
    if (record.type === 'A' && typeof record.data === 'string' && addressNumber(record.data) !== undefined)
      set(heard.addresses, name, record.data)
    if (record.type !== 'SRV') continue
    const service = services.find((candidate) => name.endsWith(`.${candidate}`))
    if (service === undefined) continue
    if (record.ttl === 0) changed = heard.instances.delete(name) || changed
    else set(heard.instances, name, { target: record.data.target.toLowerCase(), port: record.data.port, service })
  }
  return changed
}

/** The machines in what was heard; a workstation without `_ssh` is taken to have sshd on port 22. */
export function machinesHeard(heard: Heard, at: number): FoundMachine[] {
  const found = new Map<string, FoundMachine>()
  for (const { target, port, service } of heard.instances.values()) {
    const host = heard.addresses.get(target)
    if (host === undefined) continue
    const ssh = service === services[0]
    const sshPort = ssh && port > 0 && port < 65536 ? port : 22
    const id = `mdns:${host}:${sshPort}`
    if (found.has(id) && !ssh) continue
    const name = harmlessText(target.replace(/\.local\.?$/, '')).slice(0, 64)
    found.set(id, {
      id,
      name,
      host,
      port: sshPort,
      user: null,
      via: 'mdns',
      detail: `announces ${service.replace('.local', '')} as ${name}.local`,
      at,
    })
  }
  return [...found.values()]
}

export type Listener = Disposable & {
  machines(): FoundMachine[]
  /** Asks once, aloud, on the LAN: who offers SSH? Listening alone sends nothing. */
  ask(): void
}

/** Listens on every given interface. Problems of a single interface are reported, not thrown: others may work. */
export function listenForMachines(
  interfaces: OwnInterface[],
  onChange: () => void,
  onProblem: (text: string) => void,
  now: () => number = Date.now,
): Listener {
  const heard = heardNothing()
  let at = now()
  const sockets = interfaces.map((own) => {
    // bound to any address: a socket bound to the interface's own would not get multicasts
    const mdns = makeMdns({ interface: own.address, bind: '0.0.0.0', reuseAddr: true, loopback: false })
    mdns.on('response', (packet) => {
      if (!hear(heard, [...packet.answers, ...packet.additionals])) return
      at = now()
      onChange()
    })
    for (const event of ['error', 'warning'] as const) {
      mdns.on(event, (error: Error) => onProblem(`mDNS on ${own.name} (${own.address}): ${error.message}`))
    }
    return mdns
  })
  return {
    machines: () => machinesHeard(heard, at),
    ask() {
      for (const mdns of sockets) mdns.query(services.map((name) => ({ name, type: 'PTR' as const })))
    },
    [Symbol.dispose]() {
      for (const mdns of sockets) mdns.destroy()
    },
  }
}
