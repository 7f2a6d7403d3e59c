/** Everything that says where a machine might be, in one list: mDNS, `~/.ssh/config`, machines known before, a scan. */
import type { FoundMachine, ScanReport } from '../../contract/machine.ts'
import { configuredHosts, readSshConfig } from '../reach/target.ts'
import { listenForMachines } from './mdns.ts'
import type { Listener } from './mdns.ts'
import { ownInterfaces, scanForMachines } from './scan.ts'
import type { ScanOptions } from './scan.ts'
import type { OwnInterface } from './subnet.ts'

export type FinderOptions = {
  /** true: no multicast socket is opened */
  noDiscovery?: boolean
  interfaces?: () => OwnInterface[]
  /** text of ~/.ssh/config */
  sshConfig?: () => Promise<string>
  /** machines added earlier */
  known?: () => Promise<{ name: string; host: string; port: number; user: string }[]>
  onChange?: (found: FoundMachine[]) => void
  onProblem?: (text: string) => void
  now?: () => number
}

export type Finder = Disposable & {
  /** what is known now, the most certain first; one row per address */
  found(): FoundMachine[]
  /** reads the configuration and the known machines again */
  refresh(): Promise<FoundMachine[]>
  /** asks by mDNS; answers come through onChange */
  ask(): void
  /** knocks on port 22; what it finds joins the list */
  scan(options?: Omit<ScanOptions, 'interfaces' | 'now'>): Promise<ScanReport>
}

const order: FoundMachine['via'][] = ['known', 'ssh-config', 'mdns', 'scan']

/** A found machine and the address it stands for: a Host of ~/.ssh/config is added by its name, not its address. */
export type Placed = { place: string; machine: FoundMachine }

const byAddress = (machine: FoundMachine): Placed => ({ place: `${machine.host}:${machine.port}`, machine })

/** One row per address and port, from the most certain source. */
export function mergeFound(rows: Placed[]): FoundMachine[] {
  const merged = new Map<string, FoundMachine>()
  for (const { place, machine } of rows.toSorted(
    (a, b) => order.indexOf(a.machine.via) - order.indexOf(b.machine.via),
  )) {
    if (!merged.has(place)) merged.set(place, machine)
  }
  return [...merged.values()]
}

/** Starts listening (sends nothing), unless `noDiscovery`. */
export async function createFinder(options: FinderOptions = {}): Promise<Finder> {
  const {
    now = Date.now,
    onProblem = () => undefined,
    interfaces = ownInterfaces,
    sshConfig = () => readSshConfig(),
  } = options
  let configured: Placed[] = []
  let known: FoundMachine[] = []
  let scanned: FoundMachine[] = []
  let listener: Listener | undefined
  const found = () =>
    mergeFound([...configured, ...[...known, ...(listener?.machines() ?? []), ...scanned].map(byAddress)])
  const changed = () => options.onChange?.(found())

  async function refresh(): Promise<FoundMachine[]> {
    try {
      configured = configuredHosts(await sshConfig()).map(({ name, host, port, user, line }) => ({
        place: `${host}:${port}`,
        machine: {
          id: `ssh-config:${name}`,
          name,
          host: name,
          port,
          user,
          via: 'ssh-config',
          detail: `${line} in ~/.ssh/config (${host})`,
          at: now(),
        },
      }))
    } catch (error) {
      onProblem(`~/.ssh/config: ${(error as Error).message}`)
    }
    known = ((await options.known?.()) ?? []).map(({ name, host, port, user }) => ({
      id: `known:${name}`,
      name,
      host,
      port,
      user,
      via: 'known',
      detail: 'added to Lanyard before',
      at: now(),
    }))
    changed()
    return found()
  }

  await refresh()
  if (!options.noDiscovery) listener = listenForMachines(interfaces(), changed, onProblem, now)
  return {
    found,
    refresh,
    ask: () => listener?.ask(),
    async scan(scanOptions) {
      listener?.ask()
      const report = await scanForMachines({ ...scanOptions, interfaces: interfaces(), now })
      scanned = report.found
      changed()
      return report
    },
    [Symbol.dispose]: () => listener?.[Symbol.dispose](),
  }
}
