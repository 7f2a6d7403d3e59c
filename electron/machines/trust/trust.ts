/** Host keys: what is recorded about a machine, and what to say when its key is not the recorded one. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { LanyardError } from '../../contract/errors.ts'
import { decideHostKey, recordedTypes } from './decide.ts'
import type { Decision, Pin, Recorded } from './decide.ts'
import { keyTypeName } from './host-key.ts'
import type { HostKey } from './host-key.ts'
import { keysForHost, knownHostsName } from './known-hosts.ts'

/** Where confirmed keys are kept: Lanyard's database, a map in tests. */
export type PinStore = {
  get(host: string, port: number): Promise<Pin | null> | Pin | null
  set(host: string, port: number, pin: Pin): Promise<void> | void
  remove(host: string, port: number): Promise<void> | void
}

export type HostName = { keyName: string; port: number; knownHostsFiles?: string[] | null }

export type Trust = {
  recorded(host: HostName): Promise<Recorded>
  decide(host: HostName, offered: HostKey): Promise<Decision>
  /** `remember: false` lasts as long as this object */
  accept(host: HostName, key: HostKey, remember: boolean): Promise<void>
  /** "I replaced this machine": forgets the pin (known_hosts files are never written) */
  forget(host: HostName): Promise<void>
}

/** The files that OpenSSH reads. */
export function usualKnownHosts(home: string = homedir()): string[] {
  const global =
    process.platform === 'win32' ? path.join(process.env.ProgramData ?? 'C:\\ProgramData', 'ssh') : '/etc/ssh'
  return [
    path.join(home, '.ssh', 'known_hosts'),
    path.join(home, '.ssh', 'known_hosts2'),
    path.join(global, 'ssh_known_hosts'),
    path.join(global, 'ssh_known_hosts2'),
  ]
}

export function createTrust(pins: PinStore, files: string[] = usualKnownHosts()): Trust {
  const once = new Map<string, Pin>()
  const idOf = (host: HostName) => knownHostsName(host.keyName, host.port)

  async function recorded(host: HostName): Promise<Recorded> {
    const known = await Promise.all(
      (host.knownHostsFiles ?? files).map(async (file) => {
        try {
          return keysForHost(await readFile(file, 'utf8'), file, host.keyName, host.port)
        } catch (error) {
          if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
          // a file that may hold the right key, or its revocation, must not be passed over
          throw new LanyardError(
            'ssh_failed',
            `${file} cannot be read, so the host key of ${host.keyName} cannot be checked: ${(error as Error).message}`,
            `Check it: ls -l ${file}`,
            { cause: error },
          )
        }
      }),
    )
    return { pin: once.get(idOf(host)) ?? (await pins.get(host.keyName, host.port)), known: known.flat() }
  }
  return {
    recorded,
    decide: async (host, offered) => decideHostKey(offered, await recorded(host)),
    async accept(host, key, remember) {
      const pin = { type: key.type, fingerprint: key.fingerprint }
      if (remember) await pins.set(host.keyName, host.port, pin)
      else once.set(idOf(host), pin)
    },
    async forget(host) {
      once.delete(idOf(host))
      await pins.remove(host.keyName, host.port)
    },
  }
}

/** The refusal of a key that is not trusted; for `new` when nobody can be asked. */
export function refusal(
  about: string,
  host: HostName,
  offered: HostKey,
  decision: Exclude<Decision, { kind: 'known' }>,
): LanyardError {
  const name = `${keyTypeName(offered.type)} ${offered.fingerprint}`
  if (decision.kind === 'new') {
    return new LanyardError(
      'host_key_unknown',
      `First time connecting to ${about}: its host key is ${name}, which nobody has confirmed.`,
      `Compare it on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; then add the machine with --accept-host-key ${offered.fingerprint}.`,
    )
  }
  if (decision.kind === 'revoked') {
    return new LanyardError(
      'host_key_revoked',
      `The host key of ${about}, ${name}, is marked as revoked in ${decision.where}.`,
      'Do not connect before the owner of that machine has given it a new host key.',
    )
  }
  const { recorded } = decision
  const fix =
    recorded.where === pinPlaceOf(decision)
      ? 'If you replaced the machine, remove it in Lanyard and add it again.'
      : `If you replaced the machine: ssh-keygen -R '${knownHostsName(host.keyName, host.port)}' removes the old key (${recorded.where}).`
  return new LanyardError(
    'host_key_changed',
    `The host key of ${about} changed: it shows ${name}, but ${keyTypeName(recorded.type)} ${recorded.fingerprint} is recorded in ${recorded.where}. Somebody may be between you and that machine; nothing was sent to it.`,
    fix,
  )
}

function pinPlaceOf(decision: { recorded: { where: string } }): string {
  // a known_hosts place always ends in a line number
  return /:\d+$/.test(decision.recorded.where) ? '' : decision.recorded.where
}

export { recordedTypes }
