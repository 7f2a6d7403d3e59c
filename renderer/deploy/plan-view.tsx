import { CircleCheck, CircleX, TriangleAlert } from 'lucide-react'
import type { Plan, PlanRank } from '../../electron/contract/plan.ts'
import { useWords } from '../i18n/index.ts'
import { MemoryMeter } from '../ui/meter.tsx'
import { Figure, Figures } from '../ui/pieces.tsx'
import styles from './deploy.module.css'

/** A plan as a person judges it: does it fit, how fast, why, and what else there is. */
export function PlanView({ plan }: { plan: Plan }) {
  const { t, f } = useWords()
  return (
    <div className={styles.plan} data-testid="plan" data-fits={plan.fits}>
      <p className={styles.verdict} data-fits={plan.fits}>
        {plan.fits ? <CircleCheck aria-hidden="true" /> : <CircleX aria-hidden="true" />}
        {plan.fits ? t.deploy.fits : t.deploy.doesNotFit(f.bytes(plan.shortBy))}
      </p>
      {plan.wouldFit.length > 0 && !plan.fits && (
        <div>
          <h3>{t.deploy.wouldFit}</h3>
          <ul className={styles.bullets}>
            {plan.wouldFit.map((s) => (
              <li key={s}>{s}</li>
            ))}
          </ul>
        </div>
      )}
      <Figures>
        <Figure
          label={t.deploy.predictedSpeed}
          value={f.speed(plan.predicted.tokensPerSecond)}
          unit={t.units.perSecond}
        />
        <Figure label={t.deploy.firstToken} value={f.duration(plan.predicted.firstTokenSeconds * 1000)} />
        <Figure
          label={t.deploy.context}
          value={f.number(plan.context)}
          unit={t.units.tokenWord}
          note={t.deploy.sequences(plan.maxSequences)}
        />
        {plan.ranks.length > 1 && (
          <Figure label={t.deploy.perToken} value={f.bytes(plan.bytesPerToken)} note={t.deploy.perTokenNote} />
        )}
      </Figures>
      <TimeSplit plan={plan} />
      <div>
        <h3>{t.deploy.memory}</h3>
        <ul className={styles.rankBars}>
          {plan.ranks.map((rank) => (
            <RankMemory key={rank.rank} rank={rank} />
          ))}
        </ul>
      </div>
      {plan.warnings.length > 0 && (
        <ul className={styles.warnings} aria-label={t.deploy.warnings}>
          {plan.warnings.map((w) => (
            <li key={w}>
              <TriangleAlert aria-hidden="true" />
              {w}
            </li>
          ))}
        </ul>
      )}
      {plan.explanation.length > 0 && (
        <div>
          <h3>{t.deploy.why}</h3>
          <ul className={styles.bullets}>
            {plan.explanation.map((s) => (
              <li key={s}>{s}</li>
            ))}
          </ul>
        </div>
      )}
      {plan.alternatives.length > 0 && <Alternatives plan={plan} />}
    </div>
  )
}

function RankMemory({ rank }: { rank: PlanRank }) {
  const { t, f } = useWords()
  const { weights, kv, workspace, free } = rank.memory
  const over = weights + kv + workspace - free
  return (
    <li>
      <p className={styles.rankHead}>
        <strong>{t.deploy.rank(rank.rank)}</strong> {rank.machineName} ·{' '}
        {rank.device.kind === 'cpu' ? t.deploy.cpuThreads(rank.device.threads) : rank.device.name}
        <span>{t.deploy.share(f.percent(rank.share, 1))}</span>
      </p>
      <MemoryMeter
        legend
        label={`${t.deploy.rank(rank.rank)} ${rank.machineName}`}
        total={free}
        parts={[
          { kind: 'weights', label: t.memory.weights, bytes: weights },
          { kind: 'kv', label: t.memory.kv, bytes: kv },
          { kind: 'workspace', label: t.memory.workspace, bytes: workspace },
        ]}
      />
      {over > 0 && <p className={styles.over}>{t.deploy.overBy(f.bytes(over), f.bytes(free))}</p>}
    </li>
  )
}

/** Where the time of one token goes, predicted. */
function TimeSplit({ plan }: { plan: Plan }) {
  const { t, f } = useWords()
  const { computeMs, allReduceMs, overheadMs, source } = plan.predicted
  const total = Math.max(computeMs + allReduceMs + overheadMs, 1e-9)
  const parts = [
    { kind: 'weights', label: t.deploy.compute, ms: computeMs },
    { kind: 'kv', label: t.deploy.allReduce, ms: allReduceMs },
    { kind: 'used', label: t.deploy.overhead, ms: overheadMs },
  ].filter((part) => part.ms > 0)
  const ms = (n: number): string => t.units.ms(f.number(n, n < 10 ? 2 : 0))
  return (
    <div className={styles.split}>
      <div className={styles.splitBar} role="img" aria-label={parts.map((p) => `${p.label} ${ms(p.ms)}`).join(', ')}>
        {parts.map((p) => (
          <i key={p.label} data-kind={p.kind} style={{ width: `${(p.ms / total) * 100}%` }} />
        ))}
      </div>
      <p>
        {parts.map((p) => (
          <span key={p.label}>
            <i data-kind={p.kind} aria-hidden="true" />
            {p.label} {ms(p.ms)}
          </span>
        ))}
      </p>
      <small>{source}</small>
    </div>
  )
}

function Alternatives({ plan }: { plan: Plan }) {
  const { t, f } = useWords()
  const faster = plan.alternatives.some((a) => a.fits && a.tokensPerSecond > plan.predicted.tokensPerSecond)
  return (
    <div>
      <h3>{t.deploy.alternatives}</h3>
      {faster && <p className={styles.faster}>{t.deploy.faster}</p>}
      <table className={styles.alternatives}>
        <tbody>
          {plan.alternatives.map((a) => (
            <tr key={a.title}>
              <th scope="row">
                {a.title}
                <small>{a.note}</small>
              </th>
              <td>{a.fits ? t.units.tokensPerSecond(f.speed(a.tokensPerSecond)) : t.deploy.notFitting}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
