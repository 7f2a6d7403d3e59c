/** Signing in as a person would: connect, confirm an unknown host key, then keys, then a password. */
import { LanyardError } from '../../contract/errors.ts'
import type { Answer, Question } from '../../contract/job.ts'
import { keyTypeName } from '../trust/host-key.ts'
import type { HostKey } from '../trust/host-key.ts'
import { recordedTypes, refusal } from '../trust/trust.ts'
import type { Trust } from '../trust/trust.ts'
import type { Reach } from './reach.ts'
import { connectSsh } from './ssh.ts'
import { aboutTarget } from './target.ts'
import type { Target } from './target.ts'

export type Ask = (
  question: Pick<Question, 'kind' | 'about' | 'hostKey' | 'text'>,
) => Promise<Pick<Answer, 'accept' | 'remember' | 'text'>>

export type SignIn = {
  target: Target
  trust: Trust
  password?: string
  /** SHA256:… that the user confirmed beforehand */
  acceptHostKey?: string
  /** absent: nobody can be asked, so an unknown key or a missing password is an error */
  ask?: Ask
  onHostKey?: (key: HostKey, where: string) => void
  /** a password that worked, so that the caller can keep it for reconnecting */
  onPassword?: (password: string) => void
  timeoutMs?: number
  keepaliveMs?: number
}

/** Passwords that may be typed before it is an error. */
const attempts = 3

/** Errors: those of connectSsh, `host_key_unknown`, `host_key_changed`, `host_key_revoked`, `question_unanswered`. */
export async function signIn(options: SignIn): Promise<Reach> {
  const { target, trust, ask } = options
  const about = aboutTarget(target)
  let { password } = options
  let typed = 0
  // asked once, however often we connect
  let passphrase: Promise<string | null> | undefined

  async function tryOnce(): Promise<{ reach: Reach } | { unknown: HostKey }> {
    let unknown: HostKey | undefined
    const recorded = await trust.recorded(target)
    try {
      const reach = await connectSsh({
        target,
        password,
        timeoutMs: options.timeoutMs,
        keepaliveMs: options.keepaliveMs,
        preferKeyTypes: recordedTypes(recorded),
        passphrase: ask && ((file) => (passphrase ??= askPassphrase(ask, file))),
        async verify(key) {
          const decision = await trust.decide(target, key)
          if (decision.kind === 'known') return options.onHostKey?.(key, decision.where)
          if (decision.kind === 'new') unknown = key
          throw refusal(about, target, key, decision)
        },
      })
      return { reach }
    } catch (error) {
      // asked between two connections: sshd gives nobody minutes to think
      if (unknown !== undefined) return { unknown }
      throw error
    }
  }

  for (;;) {
    try {
      const outcome = await tryOnce()
      if ('reach' in outcome) {
        if (password !== undefined) options.onPassword?.(password)
        return outcome.reach
      }
      await confirm(outcome.unknown)
    } catch (error) {
      if (!(error instanceof LanyardError) || error.code !== 'auth_failed' || !ask || typed >= attempts) throw error
      const again = typed > 0 || password !== undefined
      const answer = await ask({
        kind: 'password',
        about,
        hostKey: null,
        text: again
          ? `That password was not accepted. Password of ${about}?`
          : `Password of ${about}? (No key or agent was accepted.)`,
      })
      if (!answer.accept || answer.text === null) throw error
      password = answer.text
      typed++
    }
  }

  async function confirm(key: HostKey): Promise<void> {
    if (options.acceptHostKey !== undefined) {
      if (options.acceptHostKey !== key.fingerprint) {
        throw new LanyardError(
          'host_key_unknown',
          `${about} shows the host key ${key.fingerprint}, not ${options.acceptHostKey} as you expected.`,
          'Compare on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
        )
      }
      return trust.accept(target, key, true)
    }
    const no = refusal(about, target, key, { kind: 'new' })
    if (!ask) throw no
    const text = `First time connecting to ${about}. Its key is ${keyTypeName(key.type)} ${key.fingerprint}. Compare it with what "ssh-keygen -lf" says on that machine.`
    const answer = await ask({
      kind: 'host-key',
      about,
      hostKey: { type: key.type, fingerprint: key.fingerprint },
      text,
    })
    if (!answer.accept) throw no
    await trust.accept(target, key, answer.remember)
  }
}

async function askPassphrase(ask: Ask, file: string): Promise<string | null> {
  const answer = await ask({
    kind: 'passphrase',
    about: file,
    hostKey: null,
    text: `${file} is locked: its passphrase?`,
  })
  return answer.accept ? answer.text : null
}
