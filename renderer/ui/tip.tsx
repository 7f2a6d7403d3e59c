import { Tooltip } from 'radix-ui'
import type { ReactNode } from 'react'
import styles from './tip.module.css'

export function TipProvider({ children }: { children: ReactNode }) {
  return <Tooltip.Provider delayDuration={350}>{children}</Tooltip.Provider>
}

/** A short text on hover and keyboard focus. */
export function Tip({
  text,
  children,
  side = 'top',
}: {
  text: string
  children: ReactNode
  side?: 'top' | 'right' | 'bottom'
}) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content className={styles.tip} side={side} sideOffset={6} collisionPadding={8}>
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  )
}
