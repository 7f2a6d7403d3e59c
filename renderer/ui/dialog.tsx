import { AlertDialog, Dialog } from 'radix-ui'
import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import { useWords } from '../i18n/index.ts'
import { Button, IconButton } from './button.tsx'
import styles from './dialog.module.css'

export interface PanelProps {
  open: boolean
  onClose(): void
  title: string
  description?: string
  children: ReactNode
  width?: 'normal' | 'wide'
}

/** A dialog over the page. */
export function Panel({ open, onClose, title, description, children, width = 'normal' }: PanelProps) {
  const { t } = useWords()
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose()
      }}
    >
      <Dialog.Portal>
        <Dialog.Overlay className={styles.scrim} />
        <Dialog.Content
          className={`${styles.panel} ${width === 'wide' ? styles.wide : ''}`}
          {...(description ? {} : { 'aria-describedby': undefined })}
        >
          <header className={styles.head}>
            <Dialog.Title asChild>
              <h2>{title}</h2>
            </Dialog.Title>
            <Dialog.Close asChild>
              <IconButton label={t.common.close}>
                <X />
              </IconButton>
            </Dialog.Close>
          </header>
          {description && <Dialog.Description className={styles.description}>{description}</Dialog.Description>}
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

export interface ConfirmProps {
  open: boolean
  onClose(): void
  title: string
  text: string
  action: string
  onConfirm(): void
  children?: ReactNode
}

/** Asks before something that cannot be undone; focus starts on Cancel. */
export function Confirm({ open, onClose, title, text, action, onConfirm, children }: ConfirmProps) {
  const { t } = useWords()
  return (
    <AlertDialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose()
      }}
    >
      <AlertDialog.Portal>
        <AlertDialog.Overlay className={styles.scrim} />
        <AlertDialog.Content className={styles.panel}>
          <AlertDialog.Title asChild>
            <h2 className={styles.head}>{title}</h2>
          </AlertDialog.Title>
          <AlertDialog.Description className={styles.description}>{text}</AlertDialog.Description>
          {children}
          <footer className={styles.foot}>
            <AlertDialog.Cancel asChild>
              <Button>{t.common.cancel}</Button>
            </AlertDialog.Cancel>
            <AlertDialog.Action asChild>
              <Button look="danger" onClick={onConfirm}>
                {action}
              </Button>
            </AlertDialog.Action>
          </footer>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

export function DialogFoot({ children }: { children: ReactNode }) {
  return <footer className={styles.foot}>{children}</footer>
}
