import { useWords } from '../../i18n/index.ts'
import { retryNow, useConnection } from '../../state/connection.ts'
import { Button } from '../button.tsx'
import { Badge, ProblemBox } from '../pieces.tsx'
import styles from './pairing.module.css'
import { Mark } from './shell.tsx'

/** Before the first state has come. */
export function Starting({ away }: { away: boolean }) {
  const { t } = useWords()
  const problem = useConnection((c) => c.problem)
  return (
    <main className={styles.pairing}>
      <div className={styles.box} role="status">
        <Mark />
        <h1>Lanyard</h1>
        <div>
          <Badge tone={away ? 'warn' : 'busy'}>{away ? t.connection.away : t.connection.connecting}</Badge>
        </div>
        {problem && <ProblemBox problem={problem} />}
        {away && !problem && <p>{t.connection.startHint}</p>}
        {away && <Button onClick={retryNow}>{t.connection.retryNow}</Button>}
      </div>
    </main>
  )
}
