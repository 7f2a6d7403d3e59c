import { Plus, Server } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Link } from 'wouter'
import type { Machine } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { useApp } from '../state/connection.ts'
import { deploymentsOn } from '../state/devices.ts'
import { setPreference, usePreferences } from '../state/preferences.ts'
import { useWatchSamples } from '../state/samples.ts'
import { Button } from '../ui/button.tsx'
import { Segments } from '../ui/field.tsx'
import { Badge, Card, Empty, Page, ProblemBox, Section } from '../ui/pieces.tsx'
import { JobCard } from '../ui/shell/job-tray.tsx'
import { AddMachine } from './add-machine.tsx'
import { FoundMachines } from './found-machines.tsx'
import { DeviceBar, MachineBadge, useDevices } from './machine-parts.tsx'
import styles from './machines.module.css'
import { MachinesTable } from './machines-table.tsx'

/** Home of the machines: the ones there are, the ones found, and the way to add one. */
export function MachinesScreen() {
  const { t } = useWords()
  useWatchSamples()
  const machines = useApp((s) => s.machines)
  const jobs = useApp((s) => s.jobs)
  const shownAs = usePreferences((p) => p.machinesAs)
  const [adding, setAdding] = useState<{ address: string } | null>(null)
  const work = jobs.filter((j) => (j.kind === 'add-machine' || j.kind === 'remove-machine') && j.state === 'running')
  const onlyThis = machines.length <= 1

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 't' || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea, select, [role=dialog]')) return
      setPreference('machinesAs', usePreferences.getState().machinesAs === 'cards' ? 'table' : 'cards')
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])

  return (
    <Page
      title={t.screens.machines}
      lead={t.machines.lead}
      testId="machines"
      actions={
        <>
          <Segments
            label={t.machines.view}
            value={shownAs}
            onValue={(v) => setPreference('machinesAs', v)}
            choices={[
              { value: 'cards', label: t.machines.cards },
              { value: 'table', label: t.machines.table },
            ]}
          />
          <Button look="primary" icon={<Plus />} onClick={() => setAdding({ address: '' })} data-testid="add-machine">
            {t.machines.add}
          </Button>
        </>
      }
    >
      {shownAs === 'cards' ? (
        <div className={styles.grid}>
          {machines.map((m) => (
            <MachineCard key={m.id} machine={m} />
          ))}
        </div>
      ) : (
        <MachinesTable machines={machines} />
      )}
      {work.length > 0 && (
        <Section title={t.machines.inProgress}>
          {work.map((job) => (
            <Card key={job.id}>
              <JobCard job={job} />
            </Card>
          ))}
        </Section>
      )}
      {onlyThis && (
        <Empty icon={<Server />} title={t.machines.emptyTitle} text={t.machines.emptyText}>
          <Button icon={<Plus />} onClick={() => setAdding({ address: '' })}>
            {t.machines.add}
          </Button>
        </Empty>
      )}
      <FoundMachines onAdd={(address) => setAdding({ address })} />
      {adding && <AddMachine address={adding.address} onClose={() => setAdding(null)} />}
    </Page>
  )
}

function MachineCard({ machine }: { machine: Machine }) {
  const { t, f } = useWords()
  const devices = useDevices(machine)
  const running = deploymentsOn(
    useApp((s) => s.deployments),
    machine.id,
  )
  return (
    <Card className={styles.machine} aria-label={machine.name} data-testid="machine-card">
      <div className={styles.head}>
        <h2>
          <Link href={`/machines/${encodeURIComponent(machine.id)}`}>{machine.name}</Link>
        </h2>
        <MachineBadge state={machine.state} />
      </div>
      <p className={styles.address}>{machine.kind === 'this' ? t.machines.thisComputer : machine.address}</p>
      {devices.map((device) => (
        <DeviceBar key={device.key} machine={machine} device={device} />
      ))}
      {machine.hardware?.gpus.length === 0 && <p className={styles.status}>{t.machines.noGpu}</p>}
      {running.length > 0 && (
        <div className={styles.ranks}>
          {running.map((d) => (
            <Link key={d.id} href={`/deploy/${encodeURIComponent(d.id)}`}>
              <Badge tone={d.state === 'serving' ? 'ok' : 'busy'}>{d.name}</Badge>
            </Link>
          ))}
        </div>
      )}
      {machine.state !== 'ready' && (
        <p className={styles.status}>
          {machine.status}
          {machine.state === 'away' && machine.lastSeen !== null && ` ${t.machines.lastSeen(f.ago(machine.lastSeen))}`}
        </p>
      )}
      {machine.problem && <ProblemBox problem={machine.problem} />}
    </Card>
  )
}
