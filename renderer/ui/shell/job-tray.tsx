import { Popover } from 'radix-ui'
import { ListChecks } from 'lucide-react'
import { Link } from 'wouter'
import type { Job } from '../../../electron/contract/job.ts'
import { useWords } from '../../i18n/index.ts'
import { rpc, useApp } from '../../state/connection.ts'
import { attempt } from '../../state/notices.ts'
import { Button } from '../button.tsx'
import { JobSteps } from '../job-steps.tsx'
import { Badge } from '../pieces.tsx'
import type { Tone } from '../pieces.tsx'
import styles from './header.module.css'

export const jobTones: Record<Job['state'], Tone> = { running: 'busy', done: 'ok', failed: 'bad', cancelled: 'quiet' }

/** Long work of all screens: what runs, and what ended lately. */
export function JobTray() {
  const { t } = useWords()
  const jobs = useApp((s) => s.jobs)
  const running = jobs.filter((j) => j.state === 'running')
  const shown = [...running, ...jobs.filter((j) => j.state !== 'running').toReversed()].slice(0, 5)
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button
          look="quiet"
          size="small"
          icon={<ListChecks />}
          className={styles.trigger}
          data-testid="job-tray"
          aria-label={running.length > 0 ? t.jobs.running(running.length) : t.jobs.title}
        >
          {running.length > 0 ? <span className={styles.count}>{running.length}</span> : null}
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={styles.tray} align="end" sideOffset={8} aria-label={t.jobs.title}>
          <div className={styles.jobHead}>
            <p className={styles.trayTitle}>{t.jobs.title}</p>
            <Popover.Close asChild>
              <Link href="/monitor">{t.jobs.all}</Link>
            </Popover.Close>
          </div>
          {shown.length === 0 && <p className={styles.quiet}>{t.jobs.none}</p>}
          {shown.map((job) => (
            <JobCard key={job.id} job={job} />
          ))}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  )
}

export function JobCard({ job }: { job: Job }) {
  const { t, f } = useWords()
  return (
    <div className={styles.job} data-testid="job" data-kind={job.kind} data-state={job.state}>
      <div className={styles.jobHead}>
        <h2>{job.title}</h2>
        <Badge tone={jobTones[job.state]}>{t.jobs.states[job.state]}</Badge>
      </div>
      {job.endedAt !== null && (
        <p className={styles.quiet}>
          {f.dateTime(job.startedAt)} · {f.duration(job.endedAt - job.startedAt)}
        </p>
      )}
      <JobSteps job={job} />
      {job.state === 'running' && (
        <div>
          <Button size="small" onClick={() => attempt(() => rpc.call('job.cancel', { jobId: job.id }))}>
            {t.common.cancel}
          </Button>
        </div>
      )}
    </div>
  )
}
