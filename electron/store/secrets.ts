/** Secrets at rest: passwords and passphrases that a user asked to keep. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { LanyardError } from '../contract/errors.ts'
import { privateFolder } from './database.ts'
import { writePrivate } from './private-file.ts'

export interface Secrets {
  get(name: string): Promise<string | null>
  set(name: string, value: string): Promise<void>
  delete(name: string): Promise<void>
  /** in a sentence, for the settings screen: how they are kept and what that is worth */
  describe(): string
}

const sealed = z.object({ nonce: z.string(), tag: z.string(), text: z.string() })
const sealedFile = z.record(z.string(), sealed)
type Sealed = z.infer<typeof sealedFile>

export interface FileSecretsOptions {
  /** base64, 32 bytes, from outside the disk (environment or service credential); absent = a key file beside the secrets */
  key?: string | undefined
}

/**
 * AES-256-GCM, each value under its own nonce and bound to its name. The file is `home/secrets.json`. Throws
 * `store_failed` for a wrong key or a damaged file; never gives a wrong value.
 */
export function openFileSecrets(home: string, options: FileSecretsOptions = {}): Secrets {
  privateFolder(home)
  const path = join(home, 'secrets.json')
  const key = keyOf(home, options.key)

  const read = (): Sealed => {
    if (!existsSync(path)) return {}
    try {
      return sealedFile.parse(JSON.parse(readFileSync(path, 'utf8')))
    } catch (error) {
      throw new LanyardError(
        'store_failed',
        `${path} is damaged.`,
        'Move it away; passwords will be asked for again.',
        { cause: error },
      )
    }
  }
  return {
    get(name) {
      return settled(() => {
        const all = read()
        const entry = Object.hasOwn(all, name) ? all[name] : undefined
        return entry ? open(key, name, entry) : null
      })
    },
    set(name, value) {
      return settled(() => writePrivate(path, JSON.stringify({ ...read(), [name]: seal(key, name, value) })))
    },
    delete(name) {
      return settled(() => {
        const { [name]: gone, ...rest } = read()
        if (gone) writePrivate(path, JSON.stringify(rest))
      })
    },
    describe: () =>
      options.key === undefined
        ? 'Encrypted with a key in a file beside them: safe from a look at a copy of the database, not from someone who can read your files.'
        : 'Encrypted with a key that is given to Lanyard when it starts and is not on this disk.',
  }
}

/** A thrown error as a rejection: callers see one kind of failure, whichever place keeps the secrets. */
async function settled<T>(work: () => T): Promise<T> {
  return work()
}

function keyOf(home: string, given: string | undefined): Buffer {
  const path = join(home, 'secrets.key')
  if (given === undefined && !existsSync(path)) writePrivate(path, `${randomBytes(32).toString('base64')}\n`)
  const key = Buffer.from((given ?? readFileSync(path, 'utf8')).trim(), 'base64')
  if (key.length !== 32)
    throw new LanyardError(
      'store_failed',
      `The key for secrets has ${key.length} bytes instead of 32.`,
      'Make one with: openssl rand -base64 32',
    )
  return key
}

function seal(key: Buffer, name: string, value: string): z.infer<typeof sealed> {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(name))
  const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
  return { nonce: nonce.toString('base64'), tag: cipher.getAuthTag().toString('base64'), text: text.toString('base64') }
}

function open(key: Buffer, name: string, entry: z.infer<typeof sealed>): string {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(entry.nonce, 'base64'), { authTagLength: 16 })
    decipher.setAAD(Buffer.from(name))
    decipher.setAuthTag(Buffer.from(entry.tag, 'base64'))
    return Buffer.concat([decipher.update(Buffer.from(entry.text, 'base64')), decipher.final()]).toString('utf8')
  } catch (error) {
    throw new LanyardError(
      'store_failed',
      `The secret ${name} cannot be decrypted.`,
      'Its key changed. Enter the password again.',
      { cause: error },
    )
  }
}
