/** Small shared parts: page frame, cards, badges, figures, empty states, problems. */
import { TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Problem } from '../../electron/contract/errors.ts'
import buttonStyles from './button.module.css'
import styles from './pieces.module.css'

export function Page({
  title,
  lead,
  actions,
  children,
  testId,
}: {
  title: string
  lead?: ReactNode
  actions?: ReactNode
  children: ReactNode
  testId?: string
}) {
  return (
    <div className={styles.page} data-testid={testId}>
      <header className={styles.pageHead}>
        <div>
          <h1>{title}</h1>
          {lead && <p className={styles.lead}>{lead}</p>}
        </div>
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  )
}

export function Section({
  title,
  note,
  actions,
  children,
}: {
  title: string
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  return (
    <section className={styles.section} aria-label={title}>
      <header className={styles.sectionHead}>
        <div>
          <h2>{title}</h2>
          {note && <p className={styles.note}>{note}</p>}
        </div>
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </section>
  )
}

export function Card({
  children,
  className,
  ...rest
}: {
  children: ReactNode
  className?: string
  'data-testid'?: string
  'aria-label'?: string
}) {
  return (
    <div {...rest} className={`${styles.card} ${className ?? ''}`} {...(rest['aria-label'] ? { role: 'group' } : {})}>
      {children}
    </div>
  )
}

export type Tone = 'ok' | 'warn' | 'bad' | 'busy' | 'quiet'

/** State in a word, with a dot: colour never says it alone. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      <i aria-hidden="true" />
      {children}
    </span>
  )
}

export function Figure({ label, value, unit, note }: { label: string; value: string; unit?: string; note?: string }) {
  return (
    <div className={styles.figure}>
      <dt>{label}</dt>
      <dd>
        <strong>{value}</strong>
        {unit && <span> {unit}</span>}
        {note && <small>{note}</small>}
      </dd>
    </div>
  )
}

export function Figures({ children }: { children: ReactNode }) {
  return <dl className={styles.figures}>{children}</dl>
}

export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Nothing here yet: says what would be here and how to get it. */
export function Empty({
  icon,
  title,
  text,
  children,
}: {
  icon: ReactNode
  title: string
  text: ReactNode
  children?: ReactNode
}) {
  return (
    <div className={styles.empty}>
      <div className={styles.emptyIcon} aria-hidden="true">
        {icon}
      </div>
      <h2>{title}</h2>
      <p>{text}</p>
      {children && <div className={styles.emptyActions}>{children}</div>}
    </div>
  )
}

/** A way to another screen that looks like a button. */
export function LinkButton({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link href={href} className={`${buttonStyles.button} ${buttonStyles.plain} ${buttonStyles.normal}`}>
      {children}
    </Link>
  )
}

/** What went wrong and what to do about it. */
export function ProblemBox({ problem, children }: { problem: Problem; children?: ReactNode }) {
  return (
    <div className={styles.problem} role="group" aria-label={problem.message}>
      <TriangleAlert aria-hidden="true" />
      <div>
        <p className={styles.problemText}>{problem.message}</p>
        {problem.hint && <p className={styles.problemHint}>{problem.hint}</p>}
        {children}
        <code className={styles.code}>{problem.code}</code>
      </div>
    </div>
  )
}
