import { ArrowLeft, MessagesSquare } from 'lucide-react'
import { Link } from 'wouter'
import type { Deployment, RankStatus } from '../../electron/contract/deployment.ts'
import { useWords } from '../i18n/index.ts'
import type { Words } from '../i18n/index.ts'
import { useApp } from '../state/connection.ts'
import { Progress } from '../ui/meter.tsx'
import { Badge, Card, Empty, Figure, Figures, LinkButton, Page, ProblemBox, Section } from '../ui/pieces.tsx'
import type { Tone } from '../ui/pieces.tsx'
import { JobSteps } from '../ui/job-steps.tsx'
import machineStyles from '../machines/machines.module.css'
import { StopButton, deploymentTones } from './deployment-card.tsx'
import styles from './deploy.module.css'
import { PlanView } from './plan-view.tsx'

/** One deployment: getting ready rank by rank, running with its figures, or failed with the reason. */
export function DeploymentScreen({ name }: { name: string }) {
  const { t } = useWords()
  // The newest of that name: an older one may have failed or stopped under it.
  const deployment = useApp(
    (s) => s.deployments.find((d) => d.id === name) ?? s.deployments.findLast((d) => d.name === name),
  )
  if (!deployment) {
    return (
      <Page title={t.screens.deploy} lead={<Back />}>
        <Empty icon={<ArrowLeft />} title={t.deploy.goneTitle(name)} text={t.deploy.goneText}>
          <LinkButton href="/deploy">{t.deploy.backToAll}</LinkButton>
        </Empty>
      </Page>
    )
  }
  return <Details deployment={deployment} />
}

function Back() {
  const { t } = useWords()
  return (
    <Link href="/deploy" className={machineStyles.back}>
      <ArrowLeft aria-hidden="true" />
      {t.deploy.backToAll}
    </Link>
  )
}

function Details({ deployment: d }: { deployment: Deployment }) {
  const { t, f } = useWords()
  const job = useApp((s) => s.jobs.findLast((j) => j.kind === 'deploy' && (j.subject === d.name || j.subject === d.id)))
  const { stats, plan } = d
  return (
    <Page
      title={d.name}
      testId="deployment"
      lead={
        <>
          <Back /> · {d.modelName}
        </>
      }
      actions={
        <>
          <Badge tone={deploymentTones[d.state]}>{t.deploy.states[d.state]}</Badge>
          {d.state === 'serving' && (
            <Link href="/chat" className={styles.chatLink}>
              <MessagesSquare aria-hidden="true" />
              {t.deploy.openChat}
            </Link>
          )}
          <StopButton deployment={d} />
        </>
      }
    >
      <p role="status" data-testid="deployment-status" data-state={d.state}>
        {d.status}
      </p>
      {d.problem && <ProblemBox problem={d.problem} />}
      {d.state === 'serving' && (
        <Card>
          <Figures>
            <Figure
              label={t.deploy.speedNow}
              value={f.speed(stats.tokensPerSecond)}
              unit={t.units.perSecond}
              note={t.deploy.predictedWas(f.speed(plan.predicted.tokensPerSecond))}
            />
            <Figure
              label={t.deploy.firstToken}
              value={stats.firstTokenMs === null ? t.common.noneYet : f.duration(stats.firstTokenMs)}
              note={t.deploy.predictedWas(f.duration(plan.predicted.firstTokenSeconds * 1000))}
            />
            <Figure label={t.deploy.requests} value={f.number(stats.running)} note={t.deploy.waiting(stats.waiting)} />
            <Figure
              label={t.deploy.kvUse}
              value={f.percent(stats.kvTotal > 0 ? stats.kvUsed / stats.kvTotal : 0)}
              note={t.deploy.blocks(f.number(stats.kvUsed), f.number(stats.kvTotal))}
            />
            {d.ranks.length > 1 && (
              <Figure label={t.deploy.commShare} value={f.percent(stats.commShare)} note={t.deploy.commShareNote} />
            )}
            {stats.betweenSteps !== null && (
              <Figure
                label={t.deploy.betweenSteps}
                value={f.number(Math.round(stats.betweenSteps))}
                unit="µs"
                note={t.deploy.betweenStepsNote}
              />
            )}
            {stats.drafted > 0 && (
              <Figure
                label={t.deploy.guessed}
                value={f.percent(stats.accepted / stats.drafted)}
                note={t.deploy.guessedNote(f.number(stats.accepted), f.number(stats.drafted))}
              />
            )}
            {stats.cachedTokens > 0 && (
              <Figure
                label={t.deploy.cached}
                value={f.percent(stats.cachedTokens / stats.readTokens)}
                note={t.deploy.cachedNote(f.number(stats.cachedTokens), f.number(stats.readTokens))}
              />
            )}
            <Figure
              label={t.deploy.soFar}
              value={f.number(stats.generatedTokens)}
              unit={t.units.tokenWord}
              note={t.deploy.soFarNote(f.number(stats.requests), f.number(stats.promptTokens))}
            />
          </Figures>
        </Card>
      )}
      <Section title={t.deploy.ranksTitle}>
        <ul className={styles.rankList}>
          {d.ranks.map((rank) => (
            <li key={rank.rank}>
              <Rank rank={rank} />
            </li>
          ))}
        </ul>
      </Section>
      {job && d.state !== 'serving' && d.state !== 'stopped' && (
        <Section title={t.deploy.steps}>
          <Card>
            <JobSteps job={job} />
          </Card>
        </Section>
      )}
      <Section title={t.deploy.plan}>
        <Card>
          <PlanView plan={plan} />
        </Card>
      </Section>
    </Page>
  )
}

const tones: Record<RankStatus['state'], Tone> = {
  waiting: 'quiet',
  sending: 'busy',
  starting: 'busy',
  joining: 'busy',
  loading: 'busy',
  ready: 'ok',
  failed: 'bad',
  stopped: 'quiet',
}
/** What a rank passes through, in order. */
const way = ['sending', 'starting', 'joining', 'loading', 'ready'] as const

/** Where a rank's weights came from. */
function shardText(rank: RankStatus, { t, f }: Words): string {
  if (rank.shardBytes === 0) return rank.state === 'ready' ? t.deploy.readInPlace : t.deploy.rankStates[rank.state]
  const sent =
    rank.sentBytes === 0 && rank.state === 'ready' ? t.deploy.nothingSent : t.deploy.sent(f.bytes(rank.sentBytes))
  return `${t.deploy.shard(f.bytes(rank.shardBytes))} · ${sent}`
}

function Rank({ rank }: { rank: RankStatus }) {
  const words = useWords()
  const { t, f } = words
  const at = way.findIndex((s) => s === rank.state)
  const moving = rank.state === 'sending' || rank.state === 'loading'
  const done = rank.state === 'sending' ? rank.sentBytes : rank.loadedBytes
  const text = t.jobs.bytes(f.bytes(done), f.bytes(rank.shardBytes))
  return (
    <Card
      className={styles.rank}
      aria-label={`${t.deploy.rank(rank.rank)} ${rank.machineName}`}
      data-testid="rank"
      data-state={rank.state}
    >
      <div className={styles.machineHead}>
        <h3>
          {t.deploy.rank(rank.rank)}{' '}
          <span className={styles.soft}>
            {rank.machineName} · {rank.device}
          </span>
        </h3>
        <Badge tone={tones[rank.state]}>{t.deploy.rankStates[rank.state]}</Badge>
      </div>
      {at >= 0 && rank.state !== 'ready' && (
        <ol className={styles.way} aria-hidden="true">
          {way.map((s, i) => (
            <li key={s} data-done={i < at || undefined} data-now={i === at || undefined}>
              {t.deploy.rankStates[s]}
            </li>
          ))}
        </ol>
      )}
      {moving && (
        <Progress
          label={t.deploy.rankStates[rank.state]}
          value={rank.shardBytes > 0 ? done / rank.shardBytes : 0}
          text={text}
        />
      )}
      <p className={styles.soft}>
        {moving ? text : shardText(rank, words)}
        {rank.pid !== null && ` · ${t.deploy.pid(rank.pid)}`}
      </p>
      {rank.problem && <ProblemBox problem={rank.problem} />}
    </Card>
  )
}
