import { Link } from 'wouter'
import { useWords } from '../../i18n/index.ts'
import { useApp } from '../../state/connection.ts'
import { Badge } from '../pieces.tsx'
import styles from './header.module.css'
import { JobTray } from './job-tray.tsx'

/** What is being served now, and the work in progress. */
export function Header() {
  const { t, f } = useWords()
  const deployments = useApp((s) => s.deployments)
  const shown = deployments.filter((d) => d.state === 'serving' || d.state === 'loading')
  return (
    <header className={styles.header}>
      <ul className={styles.deployments} aria-label={t.shell.running}>
        {shown.length === 0 && <li className={styles.nothing}>{t.shell.nothingRunning}</li>}
        {shown.map((d) => (
          <li key={d.id}>
            <Link
              href={`/deploy/${encodeURIComponent(d.name)}`}
              className={styles.deployment}
              data-testid="header-deployment"
            >
              <Badge tone={d.state === 'serving' ? 'ok' : 'busy'}>{d.name}</Badge>
              {d.state === 'serving' ? (
                <span>{t.units.tokensPerSecond(f.speed(d.stats.tokensPerSecond))}</span>
              ) : (
                <span>{t.deploy.states.loading}</span>
              )}
              {d.stats.running + d.stats.waiting > 0 && (
                <span>{t.shell.requests(d.stats.running + d.stats.waiting)}</span>
              )}
              {d.stats.firstTokenMs !== null && (
                <span title={t.deploy.firstToken}>{t.units.firstToken(f.duration(d.stats.firstTokenMs))}</span>
              )}
            </Link>
          </li>
        ))}
      </ul>
      <JobTray />
    </header>
  )
}
