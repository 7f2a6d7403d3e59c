import { useEffect, useState } from 'react'
import { useWords } from '../../i18n/index.ts'
import { retryNow } from '../../state/connection.ts'
import { codeFrom, pair } from '../../state/transport.ts'
import { Button } from '../button.tsx'
import { TextField } from '../field.tsx'
import { ProblemBox } from '../pieces.tsx'
import styles from './pairing.module.css'
import { Mark } from './shell.tsx'

/** A browser the app does not know yet: the code printed in the terminal lets it in. */
export function Pairing() {
  const { t } = useWords()
  const [code, setCode] = useState('')
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState<string | null>(null)

  const send = async (text: string): Promise<void> => {
    setBusy(true)
    setRefused(null)
    try {
      if (await pair(codeFrom(text))) retryNow()
      else setRefused(t.pairing.refused)
    } catch {
      setRefused(t.pairing.away)
    } finally {
      setBusy(false)
    }
  }

  useEffect(() => {
    const here = location.href
    if (!/[?#&](code|token)=/.test(here)) return
    // A used code must not stay in the address bar or the history.
    history.replaceState(null, '', location.pathname)
    void send(here)
  }, [])

  return (
    <main className={styles.pairing} data-testid="pairing">
      <form
        className={styles.box}
        onSubmit={(event) => {
          event.preventDefault()
          if (code.trim() !== '') void send(code)
        }}
      >
        <Mark />
        <h1>{t.pairing.title}</h1>
        <p>{t.pairing.text}</p>
        <TextField
          label={t.pairing.label}
          value={code}
          onValue={setCode}
          mono
          autoFocus
          placeholder={t.pairing.placeholder}
        />
        {refused && <ProblemBox problem={{ code: 'unauthorised', message: refused, hint: t.pairing.hint }} />}
        <Button
          look="primary"
          type="submit"
          blockedBy={busy ? t.pairing.sending : code.trim() === '' ? t.pairing.empty : ''}
        >
          {t.pairing.action}
        </Button>
      </form>
    </main>
  )
}
