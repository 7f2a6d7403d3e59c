import { RotateCcw, Square } from 'lucide-react'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { Deployment } from '../../electron/contract/deployment.ts'
import { useWords } from '../i18n/index.ts'
import { rpc } from '../state/connection.ts'
import { changeDeployForm, formOf } from '../state/deploy-form.ts'
import { attempt } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Confirm } from '../ui/dialog.tsx'
import { Badge, Card } from '../ui/pieces.tsx'
import type { Tone } from '../ui/pieces.tsx'
import styles from './deploy.module.css'

export const deploymentTones: Record<Deployment['state'], Tone> = {
  loading: 'busy',
  serving: 'ok',
  failed: 'bad',
  stopping: 'busy',
  stopped: 'quiet',
}

export function DeploymentCard({ deployment: d }: { deployment: Deployment }) {
  const { t, f } = useWords()
  return (
    <Card className={styles.card} aria-label={d.name} data-testid="deployment-card">
      <div className={styles.machineHead}>
        <h3>
          <Link href={`/deploy/${encodeURIComponent(d.id)}`}>{d.name}</Link>
        </h3>
        <Badge tone={deploymentTones[d.state]}>{t.deploy.states[d.state]}</Badge>
      </div>
      <p className={styles.soft}>
        {d.modelName} · {t.deploy.ranks(d.ranks.length)} · {[...new Set(d.ranks.map((r) => r.machineName))].join(', ')}
      </p>
      <p className={styles.soft}>
        {d.state === 'serving'
          ? t.units.tokensPerSecond(f.speed(d.stats.tokensPerSecond))
          : (d.problem?.message ?? d.status)}
      </p>
      <StopButton deployment={d} small />
    </Card>
  )
}

/**
 * Stops at once when nothing runs; asks first when answers are being written. A failed one is taken off the list, or
 * put into the form again.
 */
export function StopButton({ deployment: d, small = false }: { deployment: Deployment; small?: boolean }) {
  const { t } = useWords()
  const [, go] = useLocation()
  const [asking, setAsking] = useState(false)
  const busy = d.stats.running + d.stats.waiting
  const stop = (): void =>
    attempt(async () => {
      await rpc.call('deployment.stop', { name: d.name })
      go('/deploy')
    })
  const size = small ? 'small' : 'normal'
  if (d.state === 'stopped' || d.state === 'failed') {
    return (
      <div className={styles.again}>
        <Button
          size={size}
          icon={<RotateCcw />}
          onClick={() => {
            changeDeployForm(formOf(d))
            go('/deploy')
          }}
        >
          {t.deploy.again}
        </Button>
        <Button size={size} look="quiet" onClick={stop} data-testid="dismiss-deployment">
          {t.deploy.dismiss}
        </Button>
      </div>
    )
  }
  return (
    <div>
      <Button
        look="danger"
        size={size}
        icon={<Square fill="currentColor" />}
        blockedBy={d.state === 'stopping' ? t.deploy.states.stopping : ''}
        onClick={() => (busy > 0 ? setAsking(true) : stop())}
        data-testid="stop-deployment"
      >
        {t.deploy.stop}
      </Button>
      <Confirm
        open={asking}
        onClose={() => setAsking(false)}
        title={t.deploy.stopTitle(d.name)}
        text={t.deploy.stopText(busy)}
        action={t.deploy.stop}
        onConfirm={stop}
      />
    </div>
  )
}
