import { useState } from 'react'
import { problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'
import { HelpNote } from '../help/help-note.tsx'
import { useWords } from '../i18n/index.ts'
import { rpc, useApp } from '../state/connection.ts'
import { showProblem } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { DialogFoot, Panel } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { JobSteps } from '../ui/job-steps.tsx'
import { Badge, ProblemBox } from '../ui/pieces.tsx'
import styles from './machines.module.css'

/** The form, then the live checklist of the same machine; closing it stops nothing. */
export function AddMachine({ address: given, onClose }: { address: string; onClose(): void }) {
  const { t } = useWords()
  const [address, setAddress] = useState(given)
  const [name, setName] = useState('')
  const [identity, setIdentity] = useState('')
  const [password, setPassword] = useState('')
  const [sending, setSending] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const [jobId, setJobId] = useState<string | null>(null)
  const job = useApp((s) => s.jobs.find((j) => j.id === jobId))

  const start = async (): Promise<void> => {
    setSending(true)
    setProblem(null)
    try {
      const started = await rpc.call('machine.add', {
        address: address.trim(),
        ...(name.trim() ? { name: name.trim() } : {}),
        ...(identity.trim() ? { identity: identity.trim() } : {}),
        ...(password ? { password } : {}),
      })
      setJobId(started.jobId)
      setPassword('')
    } catch (error) {
      setProblem(problemOf(error))
    } finally {
      setSending(false)
    }
  }

  if (jobId !== null) {
    return (
      <Panel open onClose={onClose} title={t.machines.adding(address.trim())} description={t.machines.addingText}>
        {job ? <JobSteps job={job} /> : <Badge tone="busy">{t.common.loading}</Badge>}
        <DialogFoot>
          {job?.state === 'failed' && <Button onClick={() => setJobId(null)}>{t.machines.tryAgain}</Button>}
          {job?.state === 'running' && (
            <Button onClick={() => void rpc.call('job.cancel', { jobId }).catch(showProblem)}>{t.common.cancel}</Button>
          )}
          <Button look={job?.state === 'done' ? 'primary' : 'plain'} onClick={onClose} data-testid="add-machine-close">
            {job?.state === 'running' ? t.machines.keepGoing : t.common.close}
          </Button>
        </DialogFoot>
      </Panel>
    )
  }
  return (
    <Panel open onClose={onClose} title={t.machines.add} description={t.machines.addText}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          if (address.trim() !== '' && !sending) void start()
        }}
      >
        <TextField
          label={t.machines.address}
          value={address}
          onValue={setAddress}
          mono
          autoFocus
          maxLength={512}
          placeholder={t.machines.addressPlaceholder}
          hint={t.machines.addressHint}
          name="address"
        />
        <details className={styles.more}>
          <summary>{t.machines.more}</summary>
          <div>
            <TextField
              label={t.machines.nameHere}
              value={name}
              onValue={setName}
              maxLength={64}
              hint={t.machines.nameHint}
              name="name"
            />
            <TextField
              label={t.machines.identity}
              value={identity}
              onValue={setIdentity}
              mono
              placeholder={t.machines.identityPlaceholder}
              hint={t.machines.identityHint}
              name="identity"
            />
            <TextField
              label={t.machines.password}
              type="password"
              value={password}
              onValue={setPassword}
              autoComplete="new-password"
              hint={t.machines.passwordHint}
              name="password"
            />
          </div>
        </details>
        <p className={styles.promise}>{t.machines.promise}</p>
        <HelpNote about="machines" />
        {problem && (
          <div role="alert" data-testid="form-problem">
            <ProblemBox problem={problem} />
          </div>
        )}
        <DialogFoot>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button
            look="primary"
            type="submit"
            data-testid="add-machine-submit"
            blockedBy={address.trim() === '' ? t.machines.needAddress : sending ? t.machines.sending : ''}
          >
            {t.machines.connect}
          </Button>
        </DialogFoot>
      </form>
    </Panel>
  )
}
