import { MoreHorizontal, Pencil, SquarePen, Trash2 } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { Thread } from '../../electron/contract/chat.ts'
import { useWords } from '../i18n/index.ts'
import type { Words } from '../i18n/index.ts'
import { changeThread, deleteThread, useChat } from '../state/chat.ts'
import { attempt } from '../state/notices.ts'
import { IconButton } from '../ui/button.tsx'
import { Confirm, DialogFoot, Panel } from '../ui/dialog.tsx'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'
import styles from './chat.module.css'

const dayMs = 86_400_000

function groupOf(at: number, { t }: Words): string {
  const midnight = new Date().setHours(0, 0, 0, 0)
  if (at >= midnight) return t.chat.today
  if (at >= midnight - dayMs) return t.chat.yesterday
  return at >= midnight - 7 * dayMs ? t.chat.week : t.chat.older
}

/** All chats, newest first, in groups of time. */
export function Threads({ threads, shownId }: { threads: readonly Thread[] | null; shownId: string | null }) {
  const words = useWords()
  const { t } = words
  const [search, setSearch] = useState('')
  const shown = (threads ?? []).filter((x) => x.title.toLowerCase().includes(search.toLowerCase()))
  const groups = [...Map.groupBy(shown, (x) => groupOf(x.updatedAt, words))]
  return (
    <aside className={styles.threads} aria-label={t.chat.threads}>
      <Link href="/chat" className={styles.newThread} data-testid="new-thread">
        <SquarePen aria-hidden="true" />
        {t.chat.newThread}
      </Link>
      {(threads?.length ?? 0) > 8 && (
        <input
          className={styles.search}
          type="search"
          aria-label={t.chat.search}
          placeholder={t.chat.search}
          value={search}
          onChange={(e) => setSearch(e.target.value)}
        />
      )}
      <div className={styles.threadList}>
        {threads?.length === 0 && <p className={styles.soft}>{t.chat.noThreads}</p>}
        {groups.map(([name, group]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <ul>
              {group.map((x) => (
                <li key={x.id}>
                  <ThreadRow thread={x} shown={x.id === shownId} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </aside>
  )
}

function ThreadRow({ thread, shown }: { thread: Thread; shown: boolean }) {
  const { t } = useWords()
  const [, go] = useLocation()
  const running = useChat((s) => s.runs[thread.id] !== undefined)
  const [dialog, setDialog] = useState<'rename' | 'delete' | null>(null)
  const [title, setTitle] = useState('')
  const name = thread.title || t.chat.untitled
  return (
    <div className={styles.thread} data-shown={shown || undefined}>
      <Link href={`/chat/${thread.id}`} aria-current={shown ? 'page' : undefined} data-testid="thread">
        {name}
      </Link>
      {running && <i className={styles.busy} role="img" aria-label={t.chat.answering} />}
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <IconButton label={t.chat.threadMenu(name)}>
            <MoreHorizontal />
          </IconButton>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className={styles.menu} align="start" sideOffset={2}>
            <DropdownMenu.Item
              onSelect={() => {
                setTitle(thread.title)
                setDialog('rename')
              }}
            >
              <Pencil />
              {t.chat.rename}
            </DropdownMenu.Item>
            <DropdownMenu.Item data-danger onSelect={() => setDialog('delete')}>
              <Trash2 />
              {t.chat.delete}
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
      <Panel open={dialog === 'rename'} onClose={() => setDialog(null)} title={t.chat.renameTitle}>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            setDialog(null)
            attempt(() => changeThread(thread.id, { title: title.trim() }))
          }}
        >
          <TextField label={t.chat.titleLabel} value={title} onValue={setTitle} autoFocus maxLength={200} />
          <DialogFoot>
            <Button onClick={() => setDialog(null)}>{t.common.cancel}</Button>
            <Button look="primary" type="submit" blockedBy={title.trim() === '' ? t.chat.needTitle : ''}>
              {t.chat.rename}
            </Button>
          </DialogFoot>
        </form>
      </Panel>
      <Confirm
        open={dialog === 'delete'}
        onClose={() => setDialog(null)}
        title={t.chat.deleteTitle(name)}
        text={t.chat.deleteText}
        action={t.chat.delete}
        onConfirm={() =>
          attempt(async () => {
            await deleteThread(thread.id)
            if (shown) go('/chat')
          })
        }
      />
    </div>
  )
}
