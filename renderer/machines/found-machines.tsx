import { BookMarked, FileText, History, Radar, Radio } from 'lucide-react'
import type { ReactNode } from 'react'
import { useState } from 'react'
import type { FoundMachine, ScanReport } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { rpc, useApp } from '../state/connection.ts'
import { showProblem } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Panel } from '../ui/dialog.tsx'
import { DialogFoot } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { Card, Section } from '../ui/pieces.tsx'
import styles from './machines.module.css'

const icons: Record<FoundMachine['via'], ReactNode> = {
  mdns: <Radio aria-hidden="true" />,
  'ssh-config': <FileText aria-hidden="true" />,
  known: <History aria-hidden="true" />,
  scan: <Radar aria-hidden="true" />,
}

/** What to type to reach a found machine: a name of the SSH configuration stands for itself. */
export function addressOf(found: FoundMachine): string {
  if (found.via === 'ssh-config') return found.name
  const host = found.host.includes(':') ? `[${found.host}]` : found.host
  return `${found.user ? `${found.user}@` : ''}${host}${found.port === 22 ? '' : `:${found.port}`}`
}

/** Machines that announced themselves or are known already, each with how it was found; scanning only on request. */
export function FoundMachines({ onAdd }: { onAdd(address: string): void }) {
  const { t, f } = useWords()
  const found = useApp((s) => s.found)
  const discovery = useApp((s) => s.discovery)
  const [asking, setAsking] = useState(false)
  const [subnet, setSubnet] = useState('')
  const [scanning, setScanning] = useState(false)
  const [report, setReport] = useState<ScanReport | null>(null)

  const scan = async (): Promise<void> => {
    setAsking(false)
    setScanning(true)
    setReport(null)
    try {
      setReport(await rpc.call('machine.scan', subnet.trim() ? { subnet: subnet.trim() } : {}))
    } catch (error) {
      showProblem(error)
    } finally {
      setScanning(false)
    }
  }

  return (
    <Section
      title={t.machines.foundTitle}
      note={discovery.note}
      actions={
        <Button
          icon={<Radar />}
          onClick={() => setAsking(true)}
          blockedBy={scanning ? t.machines.scanning : ''}
          data-testid="scan"
        >
          {scanning ? t.machines.scanning : t.machines.scan}
        </Button>
      }
    >
      {report && (
        <Card data-testid="scan-report" aria-label={t.machines.scanReport}>
          <p role="status">
            <strong>
              {t.machines.scanned(
                report.found.length,
                report.addressesTried,
                report.subnet,
                report.interface,
                f.number(report.seconds, 1),
              )}
            </strong>
          </p>
          {report.notes.length > 0 && (
            <ul className={styles.notes}>
              {report.notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          )}
        </Card>
      )}
      <Card>
        {found.length === 0 ? (
          <p className={styles.status}>{t.machines.foundNone}</p>
        ) : (
          <ul className={styles.found}>
            {found.map((machine) => (
              <li key={machine.id} className={styles.foundRow} data-testid="found-machine" data-via={machine.via}>
                {icons[machine.via] ?? <BookMarked aria-hidden="true" />}
                <div className={styles.foundText}>
                  <p>
                    <strong>{machine.name}</strong> <span className={styles.address}>{addressOf(machine)}</span>
                  </p>
                  <small>
                    {t.machines.via[machine.via]}
                    {machine.detail && `: ${machine.detail}`} · {f.ago(machine.at)}
                  </small>
                </div>
                <Button
                  size="small"
                  onClick={() => onAdd(addressOf(machine))}
                  aria-label={t.machines.addThis(machine.name)}
                >
                  {t.machines.addShort}
                </Button>
              </li>
            ))}
          </ul>
        )}
      </Card>
      <Panel
        open={asking}
        onClose={() => setAsking(false)}
        title={t.machines.scanTitle}
        description={t.machines.scanText}
      >
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void scan()
          }}
        >
          <TextField
            label={t.machines.subnet}
            value={subnet}
            onValue={setSubnet}
            mono
            placeholder="192.168.1.0/24"
            hint={t.machines.subnetHint}
          />
          <DialogFoot>
            <Button onClick={() => setAsking(false)}>{t.common.cancel}</Button>
            <Button look="primary" type="submit" data-testid="scan-start">
              {t.machines.scanStart}
            </Button>
          </DialogFoot>
        </form>
      </Panel>
    </Section>
  )
}
