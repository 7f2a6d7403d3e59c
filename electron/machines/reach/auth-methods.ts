/** What a sign-in may be tried with: the agent, key files, a password. Keys are read in place and never copied. */
import { readFile } from 'node:fs/promises'
import ssh2 from 'ssh2'
import type { AnyAuthMethod, ParsedKey } from 'ssh2'
import { LanyardError } from '../../contract/errors.ts'
import type { Target } from './target.ts'

export type Secrets = {
  target: Target
  password?: string
  /** for a named key file that is locked (others are left to the agent); null: the user gave up */
  passphrase?: (file: string) => Promise<string | null>
}

export type Method = { about: string; method: AnyAuthMethod }

/** What to try, in order: the agent, key files, the password. */
export async function authMethods(options: Secrets): Promise<Method[]> {
  const { target } = options
  const methods: Method[] = []
  const username = target.user
  if (target.agent !== null)
    methods.push({ about: 'the key agent', method: { type: 'agent', username, agent: target.agent } })
  for (const file of target.identities) {
    const key = await readKey(file, target.onlyIdentities, options.passphrase)
    if (key) methods.push({ about: file, method: { type: 'publickey', username, key } })
  }
  const { password } = options
  if (password !== undefined) {
    methods.push({ about: 'the password', method: { type: 'password', username, password } })
    methods.push({
      about: 'the password',
      method: {
        type: 'keyboard-interactive',
        username,
        prompt: (_name, _text, _lang, prompts, finish) =>
          finish(prompts.map((prompt) => (prompt.echo ? '' : password))),
      },
    })
  }
  return methods
}

/** A key file, opened with its passphrase if need be; null: one that the user did not name and that cannot be used. */
async function readKey(file: string, named: boolean, passphrase: Secrets['passphrase']): Promise<ParsedKey | null> {
  const give = (why: string, hint: string, cause?: unknown) => {
    if (!named) return null
    throw new LanyardError('key_unreadable', `The key file ${file} cannot be used: ${why}.`, hint, { cause })
  }
  let text: Buffer
  try {
    text = await readFile(file)
  } catch (error) {
    return give(
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there' : (error as Error).message,
      `Check it: ls -l ${file}`,
      error,
    )
  }
  let parsed = ssh2.utils.parseKey(text)
  if (parsed instanceof Error && /encrypted/i.test(parsed.message)) {
    if (!named) return null
    const secret = await passphrase?.(file)
    if (secret === undefined || secret === null)
      return give('it is locked with a passphrase', `Unlock it in the agent: ssh-add ${file}`)
    parsed = ssh2.utils.parseKey(text, secret)
    if (parsed instanceof Error)
      throw new LanyardError(
        'key_unreadable',
        `The passphrase does not open ${file}.`,
        `Try it: ssh-keygen -y -f ${file}`,
        { cause: parsed },
      )
  }
  if (parsed instanceof Error)
    return give(parsed.message, 'Keys in OpenSSH or PEM format are read; ssh-keygen -p -f FILE rewrites one.', parsed)
  const key: ParsedKey = Array.isArray(parsed) ? parsed[0] : parsed
  return key.isPrivateKey() ? key : give('it holds no private key', `Name the private key, not ${file}.`)
}
