import { Activity } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { DeploymentSample } from '../../electron/contract/monitor.ts'
import { useWords } from '../i18n/index.ts'
import machineStyles from '../machines/machines.module.css'
import { useApp } from '../state/connection.ts'
import { useSampleHistory, useWatchSamples } from '../state/samples.ts'
import { Chart } from '../ui/chart.tsx'
import { Segments } from '../ui/field.tsx'
import { Card, Empty, Page, Section } from '../ui/pieces.tsx'
import { JobCard } from '../ui/shell/job-tray.tsx'
import { Logs } from './logs.tsx'
import { MachineCharts } from './machine-charts.tsx'
import styles from './monitor.module.css'

const tabs = ['charts', 'activity', 'logs'] as const

/** What the machines and deployments do now, what happened, and what they wrote. */
export function MonitorScreen() {
  const { t } = useWords()
  const [tab, setTab] = useState<(typeof tabs)[number]>('charts')
  useWatchSamples()
  return (
    <Page
      title={t.screens.monitor}
      lead={t.monitor.lead}
      testId="monitor"
      actions={
        <Segments
          label={t.monitor.view}
          value={tab}
          onValue={(v) => setTab(v)}
          choices={tabs.map((value) => ({ value, label: t.monitor.tabs[value] }))}
        />
      }
    >
      {tab === 'charts' && <Charts />}
      {tab === 'activity' && <Jobs />}
      {tab === 'logs' && <Logs />}
    </Page>
  )
}

function Charts() {
  const { t } = useWords()
  const machines = useApp((s) => s.machines)
  const deployments = useApp((s) => s.deployments).filter((d) => d.state === 'serving')
  return (
    <>
      {deployments.map((d) => (
        <Section key={d.id} title={d.name} note={t.monitor.deployment}>
          <Card>
            <div className={machineStyles.charts}>
              <DeploymentCharts deployment={d} />
            </div>
          </Card>
        </Section>
      ))}
      {machines.map((m) => (
        <Section key={m.id} title={m.name} note={m.state === 'ready' ? undefined : m.status}>
          <Card>
            <div className={machineStyles.charts}>
              <MachineCharts machine={m} />
            </div>
          </Card>
        </Section>
      ))}
    </>
  )
}

const none: DeploymentSample[] = []

function DeploymentCharts({ deployment }: { deployment: Deployment }) {
  const { t, f } = useWords()
  const samples = useSampleHistory((h) => h.deployments[deployment.name]) ?? none
  const times = useMemo(() => samples.map((s) => s.at / 1000), [samples])
  const speed = useMemo(
    () => [{ label: t.monitor.speed, colour: 1 as const, values: samples.map((s) => s.tokensPerSecond) }],
    [samples, t],
  )
  const first = useMemo(
    () => [{ label: t.monitor.firstToken, colour: 2 as const, values: samples.map((s) => s.firstTokenMs) }],
    [samples, t],
  )
  const requests = useMemo(
    () => [
      { label: t.monitor.running, colour: 1 as const, values: samples.map((s) => s.running) },
      { label: t.monitor.waiting, colour: 2 as const, values: samples.map((s) => s.waiting) },
    ],
    [samples, t],
  )
  const last = samples.at(-1)
  if (!last) return <p>{t.monitor.noSamples}</p>
  return (
    <>
      <Chart
        title={t.monitor.speed}
        now={t.units.tokensPerSecond(f.speed(last.tokensPerSecond))}
        times={times}
        series={speed}
        format={(v) => f.number(v, v < 10 ? 1 : 0)}
      />
      <Chart
        title={t.monitor.firstToken}
        now={last.firstTokenMs === null ? t.common.noneYet : f.duration(last.firstTokenMs)}
        times={times}
        series={first}
        format={f.duration}
      />
      <Chart
        title={t.monitor.requests}
        now={t.monitor.runningWaiting(last.running, last.waiting)}
        times={times}
        series={requests}
        steps="whole"
        format={(v) => f.number(v)}
      />
    </>
  )
}

function Jobs() {
  const { t } = useWords()
  const jobs = useApp((s) => s.jobs)
  if (jobs.length === 0) return <Empty icon={<Activity />} title={t.monitor.noJobsTitle} text={t.monitor.noJobsText} />
  return (
    <ul className={styles.jobs}>
      {jobs.toReversed().map((job) => (
        <li key={job.id}>
          <Card>
            <JobCard job={job} />
          </Card>
        </li>
      ))}
    </ul>
  )
}
