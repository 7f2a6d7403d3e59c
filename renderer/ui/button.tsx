import type { ButtonHTMLAttributes, ReactNode, Ref } from 'react'
import { useId } from 'react'
import styles from './button.module.css'
import { Tip } from './tip.tsx'

export interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'disabled'> {
  ref?: Ref<HTMLButtonElement>
  look?: 'primary' | 'plain' | 'quiet' | 'danger'
  size?: 'normal' | 'small'
  icon?: ReactNode
  /** why it cannot be used now; absent or empty = it can. Shown on hover and focus, read by screen readers. */
  blockedBy?: string | undefined
}

export function Button({
  look = 'plain',
  size = 'normal',
  icon,
  blockedBy,
  children,
  className,
  onClick,
  type,
  ...rest
}: ButtonProps) {
  const reasonId = useId()
  const blocked = Boolean(blockedBy)
  const button = (
    <button
      {...rest}
      type={type ?? 'button'}
      className={`${styles.button} ${styles[look]} ${styles[size]} ${children ? '' : styles.iconOnly} ${className ?? ''}`}
      aria-disabled={blocked || undefined}
      aria-describedby={blocked ? reasonId : rest['aria-describedby']}
      onClick={(event) => {
        if (blocked) event.preventDefault()
        else onClick?.(event)
      }}
    >
      {icon}
      {children}
      {blocked && (
        <span id={reasonId} className="visually-hidden">
          {blockedBy}
        </span>
      )}
    </button>
  )
  return blocked && blockedBy ? <Tip text={blockedBy}>{button}</Tip> : button
}

/** A button that is only an icon: its label is its tooltip and its name. */
export function IconButton({ label, children, ...rest }: ButtonProps & { label: string }) {
  return (
    <Tip text={rest.blockedBy || label}>
      <Button
        look="quiet"
        size="small"
        {...rest}
        blockedBy={undefined}
        aria-disabled={rest.blockedBy ? true : undefined}
        onClick={(event) => {
          if (!rest.blockedBy) rest.onClick?.(event)
        }}
        icon={children}
        aria-label={label}
      />
    </Tip>
  )
}
