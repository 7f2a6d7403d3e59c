/** The one place that opens SSH connections. The type of `connectSsh` cannot be satisfied without a host-key verifier. */
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import ssh2 from 'ssh2'
import type { AnyAuthMethod, Client, ClientChannel, ConnectConfig } from 'ssh2'
import { LanyardError } from '../../contract/errors.ts'
import { hostKeyOf } from '../trust/host-key.ts'
import type { HostKey } from '../trust/host-key.ts'
import { authMethods } from './auth-methods.ts'
import type { Secrets } from './auth-methods.ts'
import { quoteArgv } from './quote.ts'
import { collectProgram, keepTail, statusOfSignal } from './reach.ts'
import type { Reach } from './reach.ts'
import { aboutTarget } from './target.ts'
import type { Target } from './target.ts'

export type SshOptions = Secrets & {
  /** Resolves to go on; throws the refusal. Called before anything secret is sent. */
  verify: (key: HostKey) => Promise<void>
  /** host-key types to ask for first */
  preferKeyTypes?: string[]
  /** for the TCP connection, and again for the handshake; 8 s */
  timeoutMs?: number
  /** a silent connection is gone after four of these; 3 s */
  keepaliveMs?: number
}

/** For signing in: directories of users can be slow, and some agents wait for a finger on a key. */
const signInMs = 60_000

const hostKeyAlgorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const
/** the fastest first: shards of many gigabytes go through it */
const ciphers = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
] as const

function orderedAlgorithms(preferred: readonly string[]): (typeof hostKeyAlgorithms)[number][] {
  const wanted = (algorithm: string) => preferred.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm)
  return [...hostKeyAlgorithms.filter(wanted), ...hostKeyAlgorithms.filter((algorithm) => !wanted(algorithm))]
}

/** A TCP connection, or the reason in words. */
function openSocket(target: Target, timeoutMs: number): Promise<Socket> {
  const where = `${target.host}:${target.port}`
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: target.host, port: target.port, noDelay: true })
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    )
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      const fail = (code: 'ssh_refused' | 'host_unresolved' | 'host_unreachable', message: string, hint: string) =>
        reject(new LanyardError(code, message, hint, { cause }))
      if (cause.code === 'ECONNREFUSED')
        fail(
          'ssh_refused',
          `${target.host} is there, but sshd is not listening on port ${target.port}.`,
          'On that machine: sudo systemctl enable --now ssh (Debian, Ubuntu: sudo apt-get install -y openssh-server).',
        )
      else if (cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN')
        fail(
          'host_unresolved',
          `The name ${target.host} leads to no address.`,
          'Check the spelling, or use its IP address: on that machine, hostname -I.',
        )
      else
        fail(
          'host_unreachable',
          `${where} does not answer (${cause.code === 'ETIMEDOUT' ? `nothing within ${timeoutMs / 1000} s` : (cause.code ?? cause.message)}).`,
          `Is it switched on and on the same network? Try: ping ${target.host}; on that machine: ip -br addr.`,
        )
    })
  })
}

/**
 * Connects and signs in. Errors: `host_unresolved`, `host_unreachable`, `ssh_refused`, `ssh_failed`, `key_unreadable`,
 * `auth_failed`, and whatever `verify` throws.
 */
export async function connectSsh(options: SshOptions): Promise<Reach> {
  const { target, timeoutMs = 8_000, keepaliveMs = 3_000 } = options
  const about = aboutTarget(target)
  const methods = await authMethods(options)
  const socket = await openSocket(target, timeoutMs)
  const { localAddress = null, remoteAddress = null } = socket
  const client = new ssh2.Client()
  const tried: string[] = []
  let accepts: string[] | null = null
  let refused: unknown
  let verified = false

  const authHandler: ConnectConfig['authHandler'] = (methodsLeft, _partial, next) => {
    if (methodsLeft) accepts = methodsLeft as string[]
    for (;;) {
      const candidate = methods.shift()
      if (candidate === undefined) {
        // ssh2 takes false as "nothing left", which its types leave out
        ;(next as (method: AnyAuthMethod | false) => void)(false)
        return
      }
      const type = candidate.method.type === 'agent' ? 'publickey' : candidate.method.type
      if (accepts && !accepts.includes(type)) continue
      if (!tried.includes(candidate.about)) tried.push(candidate.about)
      next(candidate.method)
      return
    }
  }

  return await new Promise<Reach>((resolve, reject) => {
    const within = (ms: number, what: string) =>
      setTimeout(() => fail(new Error(`no ${what} within ${ms / 1000} s`)), ms)
    let timer = within(timeoutMs, 'SSH greeting')
    const fail = (error: Error & { level?: string }) => {
      // an agent that is not there is one way less to sign in, not the end
      if (error.level === 'agent') return
      clearTimeout(timer)
      client.destroy()
      socket.destroy()
      if (refused !== undefined) reject(refused)
      else if (error.level === 'client-authentication') {
        const what = tried.length > 0 ? `tried ${tried.join(', ')}` : 'there was no key or password to try'
        const hint = `Allow your key there: ssh-copy-id -p ${target.port} ${target.user}@${target.host}; or give a password, or --identity FILE.`
        reject(
          new LanyardError(
            'auth_failed',
            `${about} did not let us in: ${what}${accepts ? `; it accepts ${(accepts as string[]).join(', ')}` : ''}.`,
            hint,
            { cause: error },
          ),
        )
      } else
        reject(
          new LanyardError(
            'ssh_failed',
            `${about} answers, but SSH does not come up: ${error.message}.`,
            `Compare: ssh -v -p ${target.port} ${target.user}@${target.host}`,
            { cause: error },
          ),
        )
    }
    client.on('error', fail)
    client.on('close', () =>
      fail(
        new Error(
          verified ? 'the connection was closed while signing in' : 'the connection was closed during the greeting',
        ),
      ),
    )
    client.on('ready', () => {
      clearTimeout(timer)
      client.removeAllListeners('error').removeAllListeners('close')
      resolve(sshReach(client, about, localAddress, remoteAddress))
    })
    client.connect({
      sock: socket,
      username: target.user,
      authHandler,
      readyTimeout: 0,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: 3,
      algorithms: { serverHostKey: orderedAlgorithms(options.preferKeyTypes ?? []), cipher: [...ciphers] },
      hostVerifier: (blob: Buffer, permit: (allowed: boolean) => void) => {
        const check = async () => options.verify(hostKeyOf(blob))
        check().then(
          () => {
            verified = true
            clearTimeout(timer)
            timer = within(signInMs, 'answer to the sign-in')
            permit(true)
          },
          (error: unknown) => {
            refused = error
            permit(false)
          },
        )
      },
    })
  })
}

function sshReach(client: Client, about: string, localAddress: string | null, remoteAddress: string | null): Reach {
  const { promise: closed, resolve: setClosed } = Promise.withResolvers<void>()
  let open = true
  // keepalive and socket errors end in 'close' too; without a listener they would end the program
  client.on('error', () => undefined)
  client.on('close', () => {
    open = false
    setClosed()
  })
  const away = (cause?: unknown) =>
    new LanyardError(
      'machine_away',
      `The connection to ${about} is gone.`,
      'Try again once the machine is reachable.',
      { cause },
    )

  // The exit is listened for before this returns to anybody: a program as short as `true` can have ended in the same
  // packet that says it was started.
  function start(argv: readonly string[]): Promise<{ channel: ClientChannel; exit: Promise<number | null> }> {
    const line = quoteArgv(argv)
    return new Promise((resolve, reject) => {
      if (!open) return reject(away())
      const onClose = () => reject(away())
      client.once('close', onClose)
      client.exec(line, (error, channel) => {
        client.removeListener('close', onClose)
        if (error)
          reject(
            open
              ? new LanyardError(
                  'ssh_failed',
                  `${about} does not start programs: ${error.message}.`,
                  'Check MaxSessions and ForceCommand in its sshd_config.',
                  { cause: error },
                )
              : away(error),
          )
        else resolve({ channel, exit: exitOf(channel) })
      })
    })
  }
  const exitOf = (channel: ClientChannel) =>
    new Promise<number | null>((resolve) => {
      let status: number | null = null
      channel.on(
        'exit',
        (code: number | null, signal?: string) =>
          (status = code ?? (signal === undefined ? null : statusOfSignal(signal))),
      )
      channel.on('close', () => resolve(status))
      // ssh2 closes a channel only once all of its output was read, and after a lost connection nobody may read it
      void closed.then(() => setImmediate(() => resolve(status)))
    })

  const close = async () => {
    if (!open) return
    client.end()
    // a far side that no longer answers must not hold us up
    const timer = setTimeout(() => client.destroy(), 1_000)
    await closed
    clearTimeout(timer)
  }
  return {
    kind: 'ssh',
    about,
    localAddress,
    remoteAddress,
    closed,
    close,
    [Symbol.asyncDispose]: close,
    async exec(argv, options) {
      const { channel, exit } = await start(argv)
      return await collectProgram(
        {
          stdin: channel,
          stdout: channel,
          stderr: channel.stderr,
          exit,
          kill: () => channel.destroy(),
        },
        about,
        argv,
        options,
      )
    },
    async channel(argv) {
      const { channel, exit } = await start(argv)
      const tail = keepTail(channel.stderr)
      channel.on('error', () => undefined)
      return { stream: channel, ended: exit.then((code) => ({ code, stderr: tail() })) }
    },
  }
}
