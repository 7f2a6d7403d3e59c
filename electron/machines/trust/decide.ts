/** Whether a host key is to be trusted: a pure function of the key and of what is recorded. */
import { fingerprintOf } from './host-key.ts'
import type { HostKey } from './host-key.ts'
import type { KnownKey } from './known-hosts.ts'

/** A key that the user confirmed in Lanyard. */
export type Pin = { type: string; fingerprint: string }

export type Recorded = { pin: Pin | null; known: KnownKey[] }

export type Decision =
  | { kind: 'known'; where: string }
  | { kind: 'new' }
  | { kind: 'changed'; recorded: { type: string; fingerprint: string; where: string } }
  | { kind: 'revoked'; where: string }

export const pinPlace = "Lanyard's own list"

/**
 * Revoked anywhere wins; then the pin decides, because it is what the user last confirmed here; then the known_hosts
 * files, where one equal key is enough. A key of another type than the recorded ones counts as changed: we ask for
 * the recorded types first, so a machine that still had its key would have shown it. @cert-authority lines say nothing
 * about a key that is no certificate.
 */
export function decideHostKey(offered: HostKey, recorded: Recorded): Decision {
  const fingerprint = (known: KnownKey) => fingerprintOf(Buffer.from(known.key, 'base64'))
  const revoked = recorded.known.find(
    (known) => known.marker === 'revoked' && fingerprint(known) === offered.fingerprint,
  )
  if (revoked) return { kind: 'revoked', where: revoked.where }
  if (recorded.pin) {
    if (recorded.pin.fingerprint === offered.fingerprint) return { kind: 'known', where: pinPlace }
    return { kind: 'changed', recorded: { ...recorded.pin, where: pinPlace } }
  }
  const plain = recorded.known.filter((known) => known.marker === 'none')
  const same = plain.find((known) => fingerprint(known) === offered.fingerprint)
  if (same) return { kind: 'known', where: same.where }
  const other = plain.find((known) => known.type === offered.type) ?? plain[0]
  if (other)
    return { kind: 'changed', recorded: { type: other.type, fingerprint: fingerprint(other), where: other.where } }
  return { kind: 'new' }
}

/** The key types recorded for a host: what to ask it for first. */
export function recordedTypes(recorded: Recorded): string[] {
  return [
    ...new Set([
      ...(recorded.pin ? [recorded.pin.type] : []),
      ...recorded.known.filter((known) => known.marker === 'none').map((known) => known.type),
    ]),
  ]
}
