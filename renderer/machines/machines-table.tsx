import { useState } from 'react'
import { Link } from 'wouter'
import type { Machine } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { useApp } from '../state/connection.ts'
import { deploymentsOn } from '../state/devices.ts'
import { Button } from '../ui/button.tsx'
import { Card } from '../ui/pieces.tsx'
import { MachineBadge } from './machine-parts.tsx'
import styles from './machines.module.css'

type Column = 'name' | 'state' | 'gpus' | 'memory'

/** The cards' facts as rows, sortable, for many machines and for screen readers. */
export function MachinesTable({ machines }: { machines: readonly Machine[] }) {
  const { t, f } = useWords()
  const deployments = useApp((s) => s.deployments)
  const [sort, setSort] = useState<{ by: Column; down: boolean }>({ by: 'name', down: false })
  const value = (m: Machine): string | number => {
    if (sort.by === 'gpus') return m.hardware?.gpus.reduce((n, g) => n + g.memoryTotal, 0) ?? 0
    if (sort.by === 'memory') return m.hardware?.memoryTotal ?? 0
    return sort.by === 'name' ? m.name : m.state
  }
  const rows = machines.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)]
    return (x < y ? -1 : x > y ? 1 : 0) * (sort.down ? -1 : 1)
  })
  const head = (column: Column, label: string) => (
    <th aria-sort={sort.by === column ? (sort.down ? 'descending' : 'ascending') : 'none'}>
      <Button look="quiet" size="small" onClick={() => setSort({ by: column, down: sort.by === column && !sort.down })}>
        {label}
        {sort.by === column ? (sort.down ? ' ↓' : ' ↑') : ''}
      </Button>
    </th>
  )
  return (
    <Card className={styles.tableBox}>
      <table className={styles.table} data-testid="machines-table">
        <thead>
          <tr>
            {head('name', t.machines.name)}
            {head('state', t.machines.state)}
            {head('gpus', t.machines.gpus)}
            {head('memory', t.machines.memory)}
            <th>{t.machines.deployments}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((m) => (
            <tr key={m.id}>
              <td>
                <Link href={`/machines/${encodeURIComponent(m.id)}`}>{m.name}</Link>
                <br />
                <span className={styles.address}>{m.kind === 'this' ? t.machines.thisComputer : m.address}</span>
              </td>
              <td>
                <MachineBadge state={m.state} />
                <br />
                <span className={styles.status}>{m.status}</span>
              </td>
              <td>
                {m.hardware?.gpus.length
                  ? m.hardware.gpus.map((g) => (
                      <div key={g.uuid}>
                        {g.name}, {f.bytes(g.memoryTotal)}
                      </div>
                    ))
                  : t.common.none}
              </td>
              <td>{m.hardware ? f.bytes(m.hardware.memoryTotal) : t.common.unknown}</td>
              <td>
                {deploymentsOn(deployments, m.id)
                  .map((d) => d.name)
                  .join(', ') || t.common.none}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  )
}
