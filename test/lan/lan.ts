/**
 * A LAN in one computer: hosts with their own root, user, sshd and host key, and a desktop, joined by a switch and
 * reaching nothing outside. `await using lan = await startLan({ hosts: 3 })`.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from './folder.ts'
import { missingForLan, systemPath } from './requirements.ts'
import { openDesktop, prepareDesktop } from './desktop.ts'
import type { LanDesktop } from './desktop.ts'
import { openHost } from './host.ts'
import type { HostOptions, LanHost } from './host.ts'
import { bridgeSwitch, delaySwitch } from './switch.ts'
import type { Shape } from './switch.ts'

export type { Forward, LanDesktop } from './desktop.ts'
export type { Announcement, FakeGpu, HostOptions, HostProcess, LanHost } from './host.ts'
export type { Ended, SpaceProcess } from './space.ts'
export type { Shape } from './switch.ts'
export { missingForLan } from './requirements.ts'

export type LanOptions = HostOptions & {
  hosts: number
  shape?: Shape
  /** what differs for single hosts, by index */
  each?: (HostOptions | undefined)[]
}

export type Lan = AsyncDisposable & {
  readonly hosts: LanHost[]
  readonly desktop: LanDesktop
  /** scratch folder on this computer, gone with the LAN */
  readonly folder: string
  close(): Promise<void>
}

/** All LANs use the same addresses: none can see another. */
const network = '10.77.0'

/** Starts the LAN; throws with the line to run when this computer lacks what it needs. */
export async function startLan(options: LanOptions): Promise<Lan> {
  const missing = missingForLan()
  if (missing !== undefined) throw new Error(missing)
  if (!Number.isInteger(options.hosts) || options.hosts < 1 || options.hosts > 99)
    throw new Error(`a test LAN has 1 to 99 hosts, not ${options.hosts}`)
  process.env.PATH = systemPath

  await using stack = new AsyncDisposableStack()
  const folder = await makeFolder()
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const net = options.shape?.delayMs
    ? await delaySwitch(folder, options.shape)
    : await bridgeSwitch(options.shape ?? {})
  stack.defer(() => net.close())

  const places = Array.from({ length: options.hosts }, (_, index) => ({
    name: `host${index + 1}`,
    address: `${network}.${index + 11}`,
    user: 'ada',
  }))
  const hostsFile = places.map((place) => `${place.address} ${place.name}\n`).join('')
  const desktopFolder = join(folder, 'desktop')
  await mkdir(desktopFolder)
  const { identity } = await prepareDesktop(desktopFolder)
  const desktop = stack.use(await openDesktop(desktopFolder, `${network}.1`, places))
  await net.join('desktop', desktop.space, `${network}.1`)

  const opening = await Promise.allSettled(
    places.map(async (place, index) => {
      const hostFolder = join(folder, place.name)
      await mkdir(hostFolder)
      return openHost(hostFolder, place.name, place.address, hostsFile, identity, net, {
        ...options,
        ...options.each?.[index],
      })
    }),
  )
  const hosts = opening.flatMap((outcome) => (outcome.status === 'fulfilled' ? [stack.use(outcome.value)] : []))
  for (const outcome of opening) if (outcome.status === 'rejected') throw outcome.reason
  await net.start()
  for (const [index, host] of hosts.entries()) {
    if (options.each?.[index]?.announce ?? options.announce) await host.announce()
  }

  const owned = stack.move()
  const close = () => owned.disposeAsync()
  return { hosts, desktop, folder, close, [Symbol.asyncDispose]: close }
}
