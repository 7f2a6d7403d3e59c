import { Unplug } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useWords } from '../../i18n/index.ts'
import { retryNow, useConnection } from '../../state/connection.ts'
import { Button } from '../button.tsx'
import styles from './connection-banner.module.css'

/** Shown while the app is away; what was typed stays where it is. */
export function ConnectionBanner() {
  const { t } = useWords()
  const { status, retryAt } = useConnection()
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (status !== 'away') return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [status, retryAt])
  if (status !== 'away') return null
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000))
  return (
    <div className={styles.banner} role="alert" data-testid="connection-banner">
      <Unplug aria-hidden="true" />
      <p>
        <strong>{t.connection.away}</strong> {t.connection.kept}
      </p>
      <span aria-hidden="true">{seconds > 0 ? t.connection.retryIn(seconds) : t.connection.retrying}</span>
      <Button size="small" onClick={retryNow}>
        {t.connection.retryNow}
      </Button>
    </div>
  )
}
