/** API keys: 256 random bits, shown once; only their SHA-256 is kept. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export interface ApiKey {
  id: string
  /** SHA-256 of the key, hex */
  sha256: string
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest()
}

/** A fresh key and what to keep of it. */
export function newApiKey(): { key: string; sha256: string } {
  const key = `sk-lanyard-${randomBytes(32).toString('base64url')}`
  return { key, sha256: hashOf(key).toString('hex') }
}

/** The key that an Authorization header presents, compared in constant time; null when none fits. */
export function presentedKey(header: string | undefined, keys: readonly ApiKey[]): ApiKey | null {
  const presented = /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1]
  if (presented === undefined) return null
  const hash = hashOf(presented)
  let found: ApiKey | null = null
  for (const key of keys) {
    const known = Buffer.from(key.sha256, 'hex')
    if (known.length === hash.length && timingSafeEqual(known, hash)) found = key
  }
  return found
}
