/** Knocks on port 22 across a private subnet, and only when the user asked for it. */
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { LanyardError } from '../../contract/errors.ts'
import type { FoundMachine, ScanReport } from '../../contract/machine.ts'
import { harmlessText } from '../probe/parse.ts'
import { hostsOf, scanAreas, subnetText } from './subnet.ts'
import type { OwnInterface } from './subnet.ts'

export type Knock = { address: string; result: 'ssh' | 'other' | 'refused' | 'silent'; banner: string }

export type ScanOptions = {
  subnet?: string
  interfaces?: OwnInterface[]
  port?: number
  /** connections at a time */
  parallel?: number
  /** for connecting and reading the greeting together */
  timeoutMs?: number
  signal?: AbortSignal
  onProgress?: (tried: number, total: number) => void
  now?: () => number
}

const longestBanner = 255

/** IPv4 interfaces of this computer that lead somewhere. */
export function ownInterfaces(): OwnInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).flatMap((entry) =>
      entry.family === 'IPv4' && !entry.internal
        ? [{ name, address: entry.address, prefix: Number(entry.cidr?.split('/')[1] ?? 32) }]
        : [],
    ),
  )
}

/** One address: is somebody there, and does it greet as SSH does? Never rejects. */
export function knock(address: string, port: number, timeoutMs: number, signal?: AbortSignal): Promise<Knock> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address, port })
    let text = ''
    let connected = false
    const finish = (result: Knock['result']) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve({ address, result, banner: harmlessText(text.split('\n')[0] ?? '').trim() })
    }
    const onAbort = () => finish('silent')
    const timer = setTimeout(() => finish(connected ? 'other' : 'silent'), timeoutMs)
    signal?.addEventListener('abort', onAbort)
    socket.on('connect', () => (connected = true))
    socket.on('data', (chunk) => {
      text = (text + chunk.toString('latin1')).slice(0, longestBanner)
      if (text.includes('\n') || text.length === longestBanner) finish(text.startsWith('SSH-') ? 'ssh' : 'other')
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(error.code === 'ECONNREFUSED' ? 'refused' : connected ? 'other' : 'silent'),
    )
    socket.on('end', () => finish('other'))
  })
}

/** What to look at when nothing was found. */
function whatHides(refused: number): string[] {
  return [
    ...(refused > 0
      ? [
          `${refused} ${refused === 1 ? 'address is' : 'addresses are'} there but sshd is not listening. On such a machine: sudo apt-get install -y openssh-server && sudo systemctl enable --now ssh`,
        ]
      : []),
    'A firewall on the machine may drop port 22: sudo ufw allow ssh.',
    'Guest and many Wi-Fi networks keep devices apart ("client isolation"): use a cable or the main network.',
    'The machine may be in another subnet or VLAN: on it, ip -br addr; then scan that subnet by name.',
    'A VPN on this computer may take over the route to the LAN: switch it off, or add the machine by address.',
    'Its sshd may listen on another port: add it as user@host:port.',
  ]
}

/** Errors: `scan_refused` before a single packet is sent, `cancelled`. */
export async function scanForMachines(options: ScanOptions = {}): Promise<ScanReport> {
  const { port = 22, parallel = 64, timeoutMs = 1_500, signal, now = Date.now } = options
  const own = options.interfaces ?? ownInterfaces()
  const areas = scanAreas(own, options.subnet)
  const mine = new Set(own.map((entry) => entry.address))
  const addresses = [...new Set(areas.flatMap((area) => hostsOf(area.subnet)))].filter((address) => !mine.has(address))
  const started = performance.now()
  const knocks: Knock[] = []
  const queue = addresses.values()
  await Promise.all(
    Array.from({ length: Math.min(parallel, addresses.length) }, async () => {
      for (const address of queue) {
        if (signal?.aborted) return
        knocks.push(await knock(address, port, timeoutMs, signal))
        options.onProgress?.(knocks.length, addresses.length)
      }
    }),
  )
  if (signal?.aborted)
    throw new LanyardError('cancelled', `The scan was stopped after ${knocks.length} of ${addresses.length} addresses.`)

  const count = (result: Knock['result']) => knocks.filter((entry) => entry.result === result).length
  const found = addresses.flatMap((address): FoundMachine[] => {
    const entry = knocks.find((candidate) => candidate.address === address && candidate.result === 'ssh')
    return entry
      ? [
          {
            id: `scan:${address}:${port}`,
            name: address,
            host: address,
            port,
            user: null,
            via: 'scan',
            detail: entry.banner,
            at: now(),
          },
        ]
      : []
  })
  const on = areas.map((area) => area.interface?.name ?? 'the default route').join(', ')
  const subnets = areas.map((area) => subnetText(area.subnet)).join(', ')
  const notes = [
    `Tried port ${port} on ${addresses.length} addresses of ${subnets} through ${on}: ${found.length} greeted as SSH, ${count('refused')} refused, ${count('other')} were something else, ${count('silent')} did not answer within ${timeoutMs / 1000} s.`,
    ...areas.flatMap((area) => area.note ?? []),
    ...(found.length === 0 ? whatHides(count('refused')) : []),
  ]
  return {
    subnet: subnets,
    interface: on,
    addressesTried: addresses.length,
    seconds: (performance.now() - started) / 1000,
    found,
    notes,
  }
}
