import { AlertDialog } from 'radix-ui'
import { KeyRound, ShieldQuestion } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Question } from '../../../electron/contract/job.ts'
import { HelpNote } from '../../help/help-note.tsx'
import { useWords } from '../../i18n/index.ts'
import { rpc, useApp } from '../../state/connection.ts'
import { attempt } from '../../state/notices.ts'
import { Button } from '../button.tsx'
import { CopyButton } from '../copy.tsx'
import { TextField } from '../field.tsx'
import styles from './questions.module.css'

/** Questions the app holds for its user, one after the other: a host key, a password, a passphrase. */
export function Questions() {
  const question = useApp((s) => s.questions[0])
  return question ? <Asked key={question.id} question={question} /> : null
}

function Asked({ question }: { question: Question }) {
  const { t } = useWords()
  const more = useApp((s) => s.questions.length) - 1
  const cancel = useRef<HTMLButtonElement>(null)
  const [secret, setSecret] = useState('')
  const [sent, setSent] = useState(false)
  const isKey = question.kind === 'host-key'
  useEffect(() => {
    if (isKey) cancel.current?.focus()
  }, [isKey])

  const reply = (accept: boolean, remember = true, text: string | null = null): void => {
    setSent(true)
    attempt(async () => {
      try {
        await rpc.call('question.answer', { id: question.id, accept, remember, text })
      } finally {
        setSent(false)
      }
    })
  }
  const blockedBy = sent ? t.questions.sending : ''

  return (
    <AlertDialog.Root open>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className={styles.scrim} />
        <AlertDialog.Content
          className={styles.dialog}
          data-testid="question"
          data-kind={question.kind}
          onOpenAutoFocus={(event) => {
            if (isKey) {
              event.preventDefault()
              cancel.current?.focus()
            }
          }}
          onEscapeKeyDown={(event) => {
            event.preventDefault()
            reply(false)
          }}
        >
          <header className={styles.head}>
            {isKey ? <ShieldQuestion aria-hidden="true" /> : <KeyRound aria-hidden="true" />}
            <div>
              <AlertDialog.Title asChild>
                <h2>{t.questions.titles[question.kind](question.about)}</h2>
              </AlertDialog.Title>
              <AlertDialog.Description>{question.text}</AlertDialog.Description>
            </div>
          </header>
          {isKey && question.hostKey && (
            <HostKey type={question.hostKey.type} fingerprint={question.hostKey.fingerprint} />
          )}
          {isKey ? (
            <footer className={styles.foot}>
              <Button ref={cancel} blockedBy={blockedBy} onClick={() => reply(false)} data-testid="host-key-cancel">
                {t.common.cancel}
              </Button>
              <Button blockedBy={blockedBy} onClick={() => reply(true, false)} data-testid="host-key-once">
                {t.questions.once}
              </Button>
              <Button
                look="primary"
                blockedBy={blockedBy}
                onClick={() => reply(true, true)}
                data-testid="host-key-remember"
              >
                {t.questions.remember}
              </Button>
            </footer>
          ) : (
            <form
              onSubmit={(event) => {
                event.preventDefault()
                if (secret !== '' && !sent) reply(true, true, secret)
              }}
            >
              <TextField
                label={question.kind === 'passphrase' ? t.questions.labels.passphrase : t.questions.labels.password}
                type="password"
                value={secret}
                onValue={setSecret}
                autoFocus
                hint={t.questions.secretHint}
              />
              <footer className={styles.foot}>
                <Button blockedBy={blockedBy} onClick={() => reply(false)}>
                  {t.common.cancel}
                </Button>
                <Button look="primary" type="submit" blockedBy={blockedBy || (secret === '' ? t.questions.empty : '')}>
                  {t.questions.continue}
                </Button>
              </footer>
            </form>
          )}
          {more > 0 && <p className={styles.more}>{t.questions.more(more)}</p>}
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

/** The file sshd keeps a key of this type in: what to compare with. */
function keyFile(type: string): string {
  const kind = type.toLowerCase()
  const name = kind.includes('ed25519') ? 'ed25519' : kind.includes('ecdsa') ? 'ecdsa' : 'rsa'
  return `/etc/ssh/ssh_host_${name}_key.pub`
}

function HostKey({ type, fingerprint }: { type: string; fingerprint: string }) {
  const { t } = useWords()
  const command = `ssh-keygen -lf ${keyFile(type)}`
  return (
    <>
      <div className={styles.key}>
        <span>{type}</span>
        <code data-testid="host-key-fingerprint">{fingerprint}</code>
        <CopyButton text={fingerprint} label={t.questions.copyFingerprint} />
      </div>
      <p className={styles.how}>{t.questions.compare}</p>
      <div className={styles.command}>
        <code>{command}</code>
        <CopyButton text={command} label={t.questions.copyCommand} />
      </div>
      <HelpNote about="hostKey" />
    </>
  )
}
