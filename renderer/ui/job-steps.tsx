import { Check, Circle, Minus, X } from 'lucide-react'
import type { Job, JobStep } from '../../electron/contract/job.ts'
import { useWords } from '../i18n/index.ts'
import styles from './job-steps.module.css'
import { Progress } from './meter.tsx'
import { ProblemBox } from './pieces.tsx'

/** The steps of long work, each a sentence with its time; the same on every screen, and it stays when it is over. */
export function JobSteps({ job }: { job: Job }) {
  const { t } = useWords()
  return (
    <div className={styles.job} data-testid="job-steps" data-state={job.state}>
      <ol className={styles.steps} aria-label={job.title}>
        {job.steps.map((step) => (
          <Step key={step.id} step={step} />
        ))}
      </ol>
      {job.problem && <ProblemBox problem={job.problem} />}
      <p className="visually-hidden" role="status">
        {t.jobs.states[job.state]}
      </p>
    </div>
  )
}

function Step({ step }: { step: JobStep }) {
  const { t, f } = useWords()
  const took = step.startedAt !== null && step.endedAt !== null ? f.duration(step.endedAt - step.startedAt) : null
  const names: Record<string, string> = t.jobs.steps
  const bytes = t.jobs.bytes(f.bytes(step.bytes), f.bytes(step.bytesTotal))
  return (
    <li className={styles.step} data-state={step.state} data-step={step.id}>
      <span className={styles.icon} aria-hidden="true">
        {step.state === 'done' ? (
          <Check />
        ) : step.state === 'failed' ? (
          <X />
        ) : step.state === 'skipped' ? (
          <Minus />
        ) : step.state === 'pending' ? (
          <Circle />
        ) : (
          <i />
        )}
      </span>
      <div className={styles.body}>
        <p className={styles.label}>
          {names[step.id] ?? step.label}
          <span className="visually-hidden">, {t.jobs.stepStates[step.state]}</span>
          {took && <span className={styles.took}>{took}</span>}
        </p>
        {step.detail && <p className={styles.detail}>{step.detail}</p>}
        {step.state === 'running' && step.bytesTotal > 0 && (
          <div className={styles.bytes}>
            <Progress label={step.label} value={step.bytes / step.bytesTotal} text={bytes} />
            <span>{bytes}</span>
          </div>
        )}
      </div>
    </li>
  )
}
