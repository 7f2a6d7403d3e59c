import { MessagesSquare } from 'lucide-react'
import { Link } from 'wouter'
import type { Deployment } from '../../electron/contract/deployment.ts'
import { suggestedTopics } from '../help/where.ts'
import { useWords } from '../i18n/index.ts'
import type { Answering } from '../state/answering.ts'
import { rpc, useApp } from '../state/connection.ts'
import { attempt } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import styles from './chat.module.css'

export interface WelcomeProps {
  model: Answering | null
  loading: Deployment | null
  onAsk(text: string): void
}

/** Before the first message: what will answer, and what it is for. */
export function Welcome({ model, loading, onAsk }: WelcomeProps) {
  return (
    <div className={styles.welcome} data-testid="chat-empty">
      <div className={styles.welcomeIcon} aria-hidden="true">
        <MessagesSquare />
      </div>
      {model?.isGuide ? (
        <Guide guide={model} loading={loading} onAsk={onAsk} />
      ) : model ? (
        <Ready model={model} />
      ) : loading ? (
        <Loading loading={loading} />
      ) : (
        <Nothing />
      )}
    </div>
  )
}

/** The built-in model, said to be no more than it is, with questions it knows. */
function Guide({ guide, loading, onAsk }: { guide: Answering; loading: Deployment | null; onAsk(text: string): void }) {
  const { t, f } = useWords()
  const model = useApp((s) => s.models).find((m) => m.id === guide.modelId)
  const machines = [...new Set(guide.deployment?.ranks.map((r) => r.machineName))]
  return (
    <>
      <h2>{t.chat.guideTitle}</h2>
      <p data-testid="guide-purpose">
        {t.chat.guidePurpose(f.parameters(model?.parameters ?? 0), f.bytes(model?.bytes ?? 0))}
      </p>
      <p className={styles.soft}>
        {guide.deployment && !guide.deployment.onDemand
          ? t.chat.runsOn(machines.join(', '), guide.deployment.ranks.length)
          : t.chat.guideRuns}
      </p>
      <ul className={styles.questions}>
        {suggestedTopics.map((topic) => (
          <li key={topic}>
            <Button size="small" onClick={() => onAsk(t.chat.questions[topic])} data-testid="suggestion">
              {t.chat.questions[topic]}
            </Button>
          </li>
        ))}
      </ul>
      {loading ? (
        <p className={styles.soft}>
          <Link href={`/deploy/${encodeURIComponent(loading.id)}`}>{t.chat.loadingTitle(loading.name)}</Link>
        </p>
      ) : (
        <>
          <p className={styles.soft}>{t.chat.guideElse}</p>
          <Ways />
        </>
      )}
    </>
  )
}

function Ready({ model }: { model: Answering }) {
  const { t } = useWords()
  const purpose = useApp((s) => s.models).find((m) => m.id === model.modelId)?.purpose
  const machines = [...new Set(model.deployment?.ranks.map((r) => r.machineName))]
  return (
    <>
      <h2>{t.chat.readyTitle(model.name)}</h2>
      <p>{purpose || t.chat.readyText}</p>
      <p className={styles.soft}>{t.chat.runsOn(machines.join(', '), model.deployment?.ranks.length ?? 0)}</p>
    </>
  )
}

function Loading({ loading }: { loading: Deployment }) {
  const { t } = useWords()
  return (
    <>
      <h2>{t.chat.loadingTitle(loading.name)}</h2>
      <p>{loading.status}</p>
      <Link href={`/deploy/${encodeURIComponent(loading.id)}`}>{t.chat.watchLoading}</Link>
    </>
  )
}

function Nothing() {
  const { t } = useWords()
  const library = useApp((s) => s.models)
  const guide = useApp((s) => s.guide)
  return (
    <>
      <h2>{t.chat.nothingTitle}</h2>
      <p>{library.length === 0 ? t.chat.nothingNoModels : t.chat.nothingText}</p>
      <Ways />
      {guide && guide.use !== 'on-demand' && (
        <Button
          size="small"
          look="quiet"
          onClick={() => attempt(() => rpc.call('model.add', { source: guide.modelId }))}
          data-testid="guide-again"
        >
          {t.chat.guideAgain}
        </Button>
      )}
    </>
  )
}

/** The three steps to a model of one's own. */
function Ways() {
  const { t } = useWords()
  return (
    <ol className={styles.ways}>
      <li>
        <Link href="/machines">{t.chat.wayMachines}</Link>
      </li>
      <li>
        <Link href="/models">{t.chat.wayModels}</Link>
      </li>
      <li>
        <Link href="/deploy">{t.chat.wayDeploy}</Link>
      </li>
    </ol>
  )
}
