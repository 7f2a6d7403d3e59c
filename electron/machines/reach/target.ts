/** From what the user typed to where and as whom to sign in: `user@host[:port]` and `~/.ssh/config`. */
import { readFile } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { isIP } from 'node:net'
import path from 'node:path'
import SshConfig from 'ssh-config'
import { LanyardError } from '../../contract/errors.ts'

export type Address = { host: string; user: string | null; port: number | null }

export type Target = {
  host: string
  port: number
  user: string
  /** the name that known_hosts has it under */
  keyName: string
  /** key files to try, in this order */
  identities: string[]
  /** the user named one: only these are tried, and one that cannot be read is an error */
  onlyIdentities: boolean
  /** socket of the key agent; null: none */
  agent: string | null
  /** files to look for host keys in; null: the usual ones */
  knownHostsFiles: string[] | null
}

export type TargetOptions = {
  identity?: string
  home?: string
  /** text of the configuration file, Includes already in place (see readSshConfig) */
  config?: string
  agent?: string | null
  userName?: string
}

const hostPattern = /^[A-Za-z0-9._:%-]+$/
const userPattern = /^[^\s@:\0'"`$\\;&|<>()]+$/

function bad(text: string, why: string): LanyardError {
  return new LanyardError(
    'bad_request',
    `"${text}" is no machine's address: ${why}.`,
    'Write user@host, user@host:port, or a Host of ~/.ssh/config.',
  )
}

/** Splits `[ssh://][user@]host[:port]`; IPv6 with a port is `[fe80::1]:22`. Throws `bad_request`. */
export function parseAddress(text: string): Address {
  const bare = text
    .trim()
    .replace(/^ssh:\/\//, '')
    .replace(/\/$/, '')
  const at = bare.lastIndexOf('@')
  const user = at < 0 ? null : bare.slice(0, at)
  const rest = bare.slice(at + 1)
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(rest)
  const colons = rest.split(':').length - 1
  const [host, portText] = bracketed
    ? [bracketed[1] ?? '', bracketed[2]]
    : colons === 1
      ? (rest.split(':') as [string, string])
      : [rest, undefined]
  if (user !== null && (!userPattern.test(user) || user.startsWith('-')))
    throw bad(text, 'the user name is empty or has characters that no user name has')
  if (!hostPattern.test(host) || host.startsWith('-'))
    throw bad(text, 'the host is empty or has characters that no host name has')
  if (host.includes(':') && isIP(host.split('%')[0] ?? '') !== 6)
    throw bad(text, 'an IPv6 address with a port is written [address]:port')
  if (portText === undefined) return { host, user, port: null }
  const port = Number(portText)
  if (!/^\d+$/.test(portText) || port < 1 || port > 65535) throw bad(text, 'a port is a number from 1 to 65535')
  return { host, user, port }
}

/** The configuration file with what it Includes (relative to its folder; `*` in the last part; at most 16 deep). Missing: ''. */
export async function readSshConfig(file: string = path.join(homedir(), '.ssh', 'config'), depth = 0): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw new LanyardError(
      'key_unreadable',
      `${file} cannot be read: ${(error as Error).message}`,
      `Check it: ls -l ${file}`,
      { cause: error },
    )
  }
  const lines = await Promise.all(
    text.split('\n').map(async (line) => {
      const pattern = /^\s*include\s+(.+?)\s*$/i.exec(line)?.[1]
      if (pattern === undefined || depth >= 16) return line
      const wanted = path.resolve(path.dirname(file), pattern.replace(/^"|"$/g, '').replace(/^~\//, `${homedir()}/`))
      return (await Promise.all((await expandLast(wanted)).map((included) => readSshConfig(included, depth + 1)))).join(
        '\n',
      )
    }),
  )
  return lines.join('\n')
}

async function expandLast(pattern: string): Promise<string[]> {
  if (!pattern.includes('*')) return [pattern]
  const { glob } = await import('node:fs/promises')
  const found: string[] = []
  for await (const file of glob(pattern)) found.push(file)
  return found.toSorted()
}

type Computed = Record<string, string | string[] | undefined>
const first = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)
const all = (value: string | string[] | undefined) =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

/**
 * Where an address leads. What is written in the address wins over the configuration file, that over the defaults.
 * `Match exec` is never run. Throws `machine_unsupported` for a Host behind a jump host or proxy command.
 */
export function resolveTarget(address: Address, options: TargetOptions = {}): Target {
  const home = options.home ?? homedir()
  const expand = (file: string, host: string, user: string) =>
    file
      .replace(/^~(?=\/|$)/, home)
      .replace(/%([dhru%])/g, (_, letter: string) => ({ d: home, h: host, r: user, u: user, '%': '%' })[letter] ?? '')
  let config: Computed
  try {
    config = SshConfig.parse(options.config ?? '').compute(
      { Host: address.host, ...(address.user === null ? {} : { User: address.user }) },
      { ignoreCase: true, matchExec: false },
    ) as Computed
  } catch (error) {
    throw new LanyardError(
      'bad_request',
      `~/.ssh/config cannot be understood: ${(error as Error).message}`,
      `Compare: ssh -G ${address.host}`,
      { cause: error },
    )
  }
  for (const [key, name] of [
    ['proxyjump', 'ProxyJump'],
    ['proxycommand', 'ProxyCommand'],
  ] as const) {
    const value = first(config[key])
    if (value !== undefined && value.toLowerCase() !== 'none') {
      throw new LanyardError(
        'machine_unsupported',
        `${address.host} is reached through ${name} ${value}, which Lanyard does not do: machines must be on one network.`,
        `Add it by an address that this computer reaches directly (test: ssh -o ${name}=none ${address.host}).`,
      )
    }
  }
  const user = address.user ?? first(config.user) ?? options.userName ?? userInfo().username
  const host = (first(config.hostname) ?? address.host).replaceAll('%h', address.host)
  if (!hostPattern.test(host) || host.startsWith('-'))
    throw bad(host, 'HostName in ~/.ssh/config has characters that no host name has')
  const configured = all(config.identityfile).map((file) => expand(file, host, user))
  const agent =
    options.agent === undefined
      ? (process.env.SSH_AUTH_SOCK ?? (process.platform === 'win32' ? '\\\\.\\pipe\\openssh-ssh-agent' : null))
      : options.agent
  const named = options.identity !== undefined
  const files = all(config.userknownhostsfile)
    .flatMap((value) => value.split(/\s+/))
    .map((file) => expand(file, host, user))
  return {
    host,
    user,
    port: address.port ?? (Number(first(config.port)) || 22),
    keyName: first(config.hostkeyalias) ?? host,
    identities: named
      ? [expand(options.identity ?? '', host, user)]
      : configured.length > 0
        ? configured
        : ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => path.join(home, '.ssh', name)),
    onlyIdentities: named,
    agent:
      named ||
      first(config.identitiesonly)?.toLowerCase() === 'yes' ||
      first(config.identityagent)?.toLowerCase() === 'none'
        ? null
        : agent,
    knownHostsFiles: files.length > 0 ? files : null,
  }
}

/** user@host:port, the way errors and questions name a target. */
export function aboutTarget(target: Pick<Target, 'user' | 'host' | 'port'>): string {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `${target.user}@${host}:${target.port}`
}

export type ConfiguredHost = { name: string; host: string; port: number; user: string | null; line: string }

/** Hosts of a configuration file that name one machine: no patterns, nothing negated. */
export function configuredHosts(config: string): ConfiguredHost[] {
  const parsed = SshConfig.parse(config)
  const found = new Map<string, ConfiguredHost>()
  for (const section of parsed) {
    if (!('param' in section) || section.param.toLowerCase() !== 'host') continue
    const names = Array.isArray(section.value) ? section.value.map(({ val }) => val) : section.value.split(/\s+/)
    for (const name of names) {
      if (/[*?!]/.test(name) || !hostPattern.test(name) || name.startsWith('-')) continue
      const computed = parsed.compute(name, { ignoreCase: true, matchExec: false }) as Computed
      const host = (first(computed.hostname) ?? name).replaceAll('%h', name)
      found.set(name, {
        name,
        host,
        port: Number(first(computed.port)) || 22,
        user: first(computed.user) ?? null,
        line: `Host ${names.join(' ')}`,
      })
    }
  }
  return [...found.values()]
}
