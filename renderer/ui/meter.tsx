import { useWords } from '../i18n/index.ts'
import styles from './meter.module.css'

export interface MeterPart {
  kind: 'used' | 'weights' | 'kv' | 'workspace' | 'over'
  label: string
  bytes: number
}

/**
 * Memory of one device as a bar: its parts out of `total` bytes. What stands over the total is drawn past the mark.
 * The same is said in text, for people who do not see it.
 */
export function MemoryMeter({
  label,
  parts,
  total,
  legend = false,
}: {
  label: string
  parts: readonly MeterPart[]
  total: number
  legend?: boolean
}) {
  const { t, f } = useWords()
  const sum = parts.reduce((n, p) => n + p.bytes, 0)
  const scale = Math.max(total, sum, 1)
  const free = Math.max(0, total - sum)
  const text = [
    ...parts.filter((p) => p.bytes > 0).map((p) => `${p.label} ${f.bytes(p.bytes)}`),
    `${t.memory.free} ${f.bytes(free)}`,
  ].join(', ')
  return (
    <div className={styles.meter}>
      <div className={styles.bar} role="img" aria-label={`${label}: ${text}`}>
        {parts.map(
          (part) =>
            part.bytes > 0 && (
              <i key={part.label} data-kind={part.kind} style={{ width: `${(part.bytes / scale) * 100}%` }} />
            ),
        )}
        {sum > total && <b className={styles.mark} style={{ left: `${(total / scale) * 100}%` }} />}
      </div>
      {legend && (
        <ul className={styles.legend}>
          {parts
            .filter((p) => p.bytes > 0)
            .map((part) => (
              <li key={part.label}>
                <i data-kind={part.kind} aria-hidden="true" />
                {part.label} <strong>{f.bytes(part.bytes)}</strong>
              </li>
            ))}
          <li>
            <i data-kind="free" aria-hidden="true" />
            {t.memory.free} <strong>{f.bytes(free)}</strong>
          </li>
        </ul>
      )}
    </div>
  )
}

/** Part of a whole, 0…1, with its text beside it. */
export function Progress({ label, value, text }: { label: string; value: number; text: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, value)) * 100)
  return (
    <div
      className={styles.progress}
      role="progressbar"
      aria-label={label}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuetext={text}
    >
      <i style={{ width: `${percent}%` }} />
    </div>
  )
}
