/** A host key as SSH sends it: a type and a blob, known to people by its SHA-256 fingerprint. */
import { createHash } from 'node:crypto'

export type HostKey = {
  /** "ssh-ed25519", as the blob itself says */
  type: string
  /** base64 */
  key: string
  /** SHA256:…, as `ssh-keygen -lf` prints it */
  fingerprint: string
}

/** SHA256:… without padding. */
export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** Reads the type out of the blob. Throws on something that is no key. */
export function hostKeyOf(blob: Uint8Array): HostKey {
  const bytes = Buffer.from(blob)
  const length = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0
  const type = bytes.subarray(4, 4 + length).toString('latin1')
  if (length === 0 || length > 64 || bytes.length < 4 + length || !/^[a-z0-9@.-]+$/.test(type))
    throw new TypeError('not an SSH public key')
  return { type, key: bytes.toString('base64'), fingerprint: fingerprintOf(bytes) }
}

/** "ED25519", as people and `ssh-keygen` name a key type. */
export function keyTypeName(type: string): string {
  if (type.startsWith('ecdsa-')) return 'ECDSA'
  return type.replace(/^ssh-/, '').toUpperCase()
}
