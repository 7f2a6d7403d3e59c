/** The format of known_hosts (sshd(8)): plain, `[host]:port`, hashed, wildcard, negated, @revoked, @cert-authority. */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type KnownKey = {
  marker: 'none' | 'revoked' | 'cert-authority'
  type: string
  /** base64 */
  key: string
  /** file:line */
  where: string
}

/** What OpenSSH writes for a host: the bare name on port 22, else `[host]:port`; lower case. */
export function knownHostsName(host: string, port: number): string {
  const lower = host.toLowerCase()
  return port === 22 ? lower : `[${lower}]:${port}`
}

function matchesPattern(pattern: string, name: string): boolean {
  // `*` and `?` are the only special characters
  const source = pattern
    .toLowerCase()
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(name)
}

function matchesHash(field: string, name: string): boolean {
  const [, , salt = '', hash = ''] = field.split('|')
  const expected = Buffer.from(hash, 'base64')
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

function matchesHosts(field: string, name: string): boolean {
  if (field.startsWith('|1|')) return matchesHash(field, name)
  let matched = false
  for (const pattern of field.split(',')) {
    if (pattern.startsWith('!')) {
      // a negated pattern that matches outweighs all others of its line
      if (matchesPattern(pattern.slice(1), name)) return false
    } else if (matchesPattern(pattern, name)) matched = true
  }
  return matched
}

/**
 * The keys that `text` has for a host. Lines that are not understood are passed over, as OpenSSH does.
 * `file` only names the places.
 */
export function keysForHost(text: string, file: string, host: string, port: number): KnownKey[] {
  const name = knownHostsName(host, port)
  return text.split('\n').flatMap((raw, index): KnownKey[] => {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) return []
    const fields = line.split(/[ \t]+/)
    const mark = line.startsWith('@') ? fields.shift() : undefined
    if (mark !== undefined && mark !== '@revoked' && mark !== '@cert-authority') return []
    const [hosts, type, key] = fields
    if (hosts === undefined || type === undefined || key === undefined || !/^[A-Za-z0-9+/]+=*$/.test(key)) return []
    if (!matchesHosts(hosts, name)) return []
    return [
      {
        marker: mark === '@revoked' ? 'revoked' : mark === '@cert-authority' ? 'cert-authority' : 'none',
        type,
        key,
        where: `${file}:${index + 1}`,
      },
    ]
  })
}
