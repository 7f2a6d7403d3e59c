import { ArrowLeft } from 'lucide-react'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { Machine } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { MachineCharts } from '../monitor/machine-charts.tsx'
import { rpc, useApp } from '../state/connection.ts'
import { deploymentsOn } from '../state/devices.ts'
import { attempt } from '../state/notices.ts'
import { useWatchSamples } from '../state/samples.ts'
import { Button } from '../ui/button.tsx'
import { Confirm, DialogFoot, Panel } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Card, Empty, Facts, LinkButton, Page, ProblemBox, Section } from '../ui/pieces.tsx'
import { JobCard } from '../ui/shell/job-tray.tsx'
import { DeviceBar, MachineBadge, useDevices } from './machine-parts.tsx'
import styles from './machines.module.css'

/** Everything about one machine, and what can be done with it. */
export function MachineScreen({ name }: { name: string }) {
  const { t } = useWords()
  const machine = useApp((s) => s.machines.find((m) => m.id === name || m.name === name))
  const back = (
    <Link href="/machines" className={styles.back}>
      <ArrowLeft aria-hidden="true" />
      {t.machines.backToAll}
    </Link>
  )
  if (!machine) {
    return (
      <Page title={t.screens.machines} lead={back}>
        <Empty icon={<ArrowLeft />} title={t.machines.goneTitle(name)} text={t.machines.goneText}>
          <LinkButton href="/machines">{t.machines.backToAll}</LinkButton>
        </Empty>
      </Page>
    )
  }
  return <MachineDetails machine={machine} />
}

function MachineDetails({ machine }: { machine: Machine }) {
  const { t, f } = useWords()
  useWatchSamples()
  const [, go] = useLocation()
  const [dialog, setDialog] = useState<'rename' | 'remove' | null>(null)
  const [newName, setNewName] = useState(machine.name)
  const [busy, setBusy] = useState(false)
  const devices = useDevices(machine)
  const running = deploymentsOn(
    useApp((s) => s.deployments),
    machine.id,
  )
  const job = useApp((s) =>
    s.jobs.findLast((j) => j.subject === machine.name && (j.kind === 'remove-machine' || j.kind === 'add-machine')),
  )
  const h = machine.hardware
  const isThis = machine.kind === 'this'
  const away = machine.state === 'away'
  const removeBlocked = isThis
    ? t.machines.cannotRemoveThis
    : running.length > 0
      ? t.machines.removeBusy(running.map((d) => d.name).join(', '))
      : machine.state === 'removing'
        ? t.machines.states.removing
        : ''

  const run = (action: () => Promise<unknown>): void => {
    setBusy(true)
    attempt(async () => {
      try {
        await action()
      } finally {
        setBusy(false)
      }
    })
  }

  return (
    <Page
      title={machine.name}
      testId="machine"
      lead={
        <>
          <Link href="/machines" className={styles.back}>
            <ArrowLeft aria-hidden="true" />
            {t.machines.backToAll}
          </Link>{' '}
          · <span className={styles.address}>{isThis ? t.machines.thisComputer : machine.address}</span>
        </>
      }
      actions={
        <>
          <MachineBadge state={machine.state} />
          {!isThis && away && (
            <Button
              look="primary"
              blockedBy={busy ? t.machines.sending : ''}
              onClick={() => run(() => rpc.call('machine.connect', { name: machine.name }))}
            >
              {t.machines.connectAgain}
            </Button>
          )}
          <Button
            blockedBy={away ? t.machines.awayFirst : busy ? t.machines.sending : ''}
            onClick={() => run(() => rpc.call('machine.probe', { name: machine.name }))}
          >
            {t.machines.probe}
          </Button>
          <Button
            onClick={() => {
              setNewName(machine.name)
              setDialog('rename')
            }}
          >
            {t.machines.rename}
          </Button>
          <Button
            look="danger"
            blockedBy={removeBlocked}
            onClick={() => setDialog('remove')}
            data-testid="remove-machine"
          >
            {t.machines.remove}
          </Button>
        </>
      }
    >
      <Card>
        <div className={styles.stack}>
          {machine.state !== 'ready' && <p>{machine.status}</p>}
          {machine.problem && <ProblemBox problem={machine.problem} />}
          {devices.map((d) => (
            <DeviceBar key={d.key} machine={machine} device={d} legend />
          ))}
        </div>
      </Card>
      {job && job.state !== 'done' && (
        <Card>
          <JobCard job={job} />
        </Card>
      )}
      {running.length > 0 && (
        <Section title={t.machines.deployments}>
          <Card>
            <ul className={styles.found}>
              {running.map((d) => (
                <li key={d.id} className={styles.foundRow}>
                  <Link href={`/deploy/${encodeURIComponent(d.id)}`}>{d.name}</Link>
                  <span className={styles.status}>
                    {t.deploy.states[d.state]} ·{' '}
                    {d.ranks
                      .filter((r) => r.machineId === machine.id)
                      .map((r) => t.deploy.rankOn(r.rank, r.device))
                      .join(', ')}
                  </span>
                </li>
              ))}
            </ul>
          </Card>
        </Section>
      )}
      <Section title={t.machines.last15}>
        <Card>
          <div className={styles.charts}>
            <MachineCharts machine={machine} />
          </div>
        </Card>
      </Section>
      {h && (
        <Section title={t.machines.facts} note={t.machines.measuredAt(f.dateTime(h.at))}>
          <Card>
            <Facts
              rows={[
                [t.machines.os, h.os],
                [t.machines.kernel, `${h.kernel} · ${h.arch}`],
                [t.machines.cpu, t.machines.cores(h.cpu.model, h.cpu.cores)],
                [t.machines.memory, f.bytes(h.memoryTotal)],
                [t.machines.disk, t.machines.diskFree(f.bytes(h.diskFree), f.bytes(h.diskTotal))],
                [t.machines.glibc, h.glibc ?? t.common.unknown],
                ...h.gpus.map(
                  (g) =>
                    [
                      t.memory.gpu(g.index),
                      `${g.name} · ${f.bytes(g.memoryTotal)} · ${t.machines.driver(g.driver)}`,
                    ] as const,
                ),
                [
                  t.machines.cpuSpeed,
                  machine.cpuSpeed
                    ? t.machines.cpuSpeedText(
                        f.rate(machine.cpuSpeed.readBytesPerSecond),
                        f.number(machine.cpuSpeed.gemmFlops / 1e9),
                        machine.cpuSpeed.kernels,
                      )
                    : t.machines.notMeasured,
                ],
                [
                  t.machines.worker,
                  machine.worker
                    ? t.machines.workerText(machine.worker.version, machine.worker.pid, f.ago(machine.worker.startedAt))
                    : t.machines.workerNone,
                ],
                [t.machines.dataAddress, machine.dataAddress ?? t.common.unknown],
                ...(machine.hostKey
                  ? [
                      [
                        t.machines.hostKey,
                        <code key="key">
                          {machine.hostKey.type} {machine.hostKey.fingerprint}
                        </code>,
                      ] as const,
                    ]
                  : []),
              ]}
            />
          </Card>
        </Section>
      )}
      {h && h.interfaces.length > 0 && (
        <Section title={t.machines.interfaces}>
          <Card className={styles.tableBox}>
            <table className={styles.table}>
              <thead>
                <tr>
                  <th>{t.machines.name}</th>
                  <th>{t.machines.addresses}</th>
                  <th>{t.machines.speed}</th>
                </tr>
              </thead>
              <tbody>
                {h.interfaces.map((i) => (
                  <tr key={i.name}>
                    <td>{i.name}</td>
                    <td>
                      <code>{i.addresses.join('  ')}</code>
                    </td>
                    <td>{i.speed === null ? t.common.unknown : t.units.megabit(f.number(i.speed))}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Card>
        </Section>
      )}
      <Panel open={dialog === 'rename'} onClose={() => setDialog(null)} title={t.machines.renameTitle(machine.name)}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            setDialog(null)
            run(() => rpc.call('machine.rename', { name: machine.name, to: newName.trim() }))
          }}
        >
          <TextField label={t.machines.nameHere} value={newName} onValue={setNewName} maxLength={64} autoFocus />
          <DialogFoot>
            <Button onClick={() => setDialog(null)}>{t.common.cancel}</Button>
            <Button look="primary" type="submit" blockedBy={newName.trim() === '' ? t.machines.needName : ''}>
              {t.machines.rename}
            </Button>
          </DialogFoot>
        </form>
      </Panel>
      <Confirm
        open={dialog === 'remove'}
        onClose={() => setDialog(null)}
        title={t.machines.removeTitle(machine.name)}
        text={away ? t.machines.forgetText(machine.address) : t.machines.removeText(machine.address)}
        action={away ? t.machines.forget : t.machines.removeAction}
        onConfirm={() => {
          run(() => rpc.call('machine.remove', { name: machine.name, forget: away }))
          go('/machines')
        }}
      />
    </Page>
  )
}
