import { ArrowDown } from 'lucide-react'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { VList } from 'virtua'
import type { VListHandle } from 'virtua'
import type { Message, Thread } from '../../electron/contract/chat.ts'
import type { Deployment } from '../../electron/contract/deployment.ts'
import { useWords } from '../i18n/index.ts'
import type { Answering } from '../state/answering.ts'
import { pathTo } from '../state/branches.ts'
import { openThread, send, stopRun, useChat } from '../state/chat.ts'
import { followsAfter } from '../state/follow.ts'
import { readParameters } from '../state/drafts.ts'
import { attempt } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Announce } from './announce.tsx'
import styles from './chat.module.css'
import { Composer } from './composer.tsx'
import { MessageView } from './message-view.tsx'
import { Welcome } from './welcome.tsx'

export interface ConversationProps {
  thread: Thread | null
  /** undefined while they are fetched */
  messages: readonly Message[] | undefined
  model: Answering | null
  loading: Deployment | null
  onNewThread(): Promise<Thread>
}

/** A smooth scroll's first reports are over after this. */
const settleMs = 200

export function Conversation({ thread, messages, model, loading, onNewThread }: ConversationProps) {
  const { t } = useWords()
  const run = useChat((s) => (thread ? s.runs[thread.id] : undefined))
  const list = useRef<VListHandle>(null)
  const following = useRef(true)
  const readBackAt = useRef(-Infinity)
  const last = useRef({ offset: 0, size: 0, viewport: 0 })
  const [atEnd, setAtEnd] = useState(true)
  const path = pathTo(messages ?? [], thread?.leafId ?? null)
  const foreign = !run && path.some((m) => m.state === 'writing')
  const threadId = thread?.id

  // An answer that another window asked for: it is followed by asking again, its stream belongs to that window.
  useEffect(() => {
    if (!foreign || threadId === undefined) return
    const timer = setInterval(() => void openThread(threadId).catch(() => undefined), 1500)
    return () => clearInterval(timer)
  }, [foreign, threadId])

  const toEnd = (): void => {
    following.current = true
    setAtEnd(true)
    const handle = list.current
    if (handle) handle.scrollTo(handle.scrollSize)
  }
  const onScroll = (offset: number): void => {
    const handle = list.current
    if (!handle) return
    const now = { offset, size: handle.scrollSize, viewport: handle.viewportSize }
    // Our own last scroll may still be reported after the reader's first turn of the wheel.
    if (performance.now() - readBackAt.current > settleMs)
      following.current = followsAfter(following.current, last.current, now)
    last.current = now
    setAtEnd(following.current)
  }
  // A browser scrolls smoothly, and each new piece of text would cancel that: the wish to read back is taken at its start.
  const readBack = (): void => {
    if ((list.current?.scrollOffset ?? 0) <= 0) return
    readBackAt.current = performance.now()
    following.current = false
    setAtEnd(false)
  }
  const newest = path.at(-1)
  const { text: lastText, state: lastState } = newest ?? {}
  useLayoutEffect(() => {
    if (following.current) list.current?.scrollToIndex(path.length - 1, { align: 'end' })
  }, [path.length, run?.text, run?.phase, lastText, lastState])
  // Blocks measure themselves after the first draw: once more when they have.
  useEffect(() => {
    if (path.length === 0) return
    const frame = requestAnimationFrame(() => {
      if (following.current) list.current?.scrollToIndex(path.length - 1, { align: 'end' })
    })
    return () => cancelAnimationFrame(frame)
  }, [path.length])

  useEffect(() => {
    if (!run || threadId === undefined) return
    const onKey = (event: KeyboardEvent): void => {
      if (
        event.key === 'Escape' &&
        !event.isComposing &&
        !document.querySelector('[role=dialog], [role=alertdialog], [role=menu]')
      )
        stopRun(threadId)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [run, threadId])

  const ask = (text: string | null, parentId: string | null): void => {
    if (!model) return
    const served = model.name
    attempt(async () => {
      const target = thread ?? (await onNewThread())
      following.current = true
      await send({ threadId: target.id, parentId, text, model: served, parameters: readParameters() })
    })
  }

  return (
    <>
      <div className={styles.stage}>
        {path.length === 0 && !run && messages !== undefined && (
          <Welcome model={model} loading={loading} onAsk={(text) => ask(text, null)} />
        )}
        {path.length > 0 && (
          <VList
            ref={list}
            className={styles.list}
            onScroll={onScroll}
            onWheel={(e) => {
              if (e.deltaY < 0) readBack()
            }}
            onTouchMove={readBack}
            onKeyDown={(e) => {
              if (['PageUp', 'ArrowUp', 'Home'].includes(e.key)) readBack()
            }}
            role="group"
            aria-label={t.chat.messages}
            tabIndex={0}
            data-testid="messages"
            keepMounted={[path.length - 1]}
          >
            {path.map((message) => (
              <MessageView
                key={message.id}
                message={message}
                all={messages ?? []}
                run={run && run.assistantId === message.id ? run : null}
                busy={run !== undefined}
                canAnswer={model !== null}
                onAsk={ask}
              />
            ))}
          </VList>
        )}
        {!atEnd && path.length > 0 && (
          <Button className={styles.below} size="small" icon={<ArrowDown />} onClick={toEnd} data-testid="to-end">
            {run ? t.chat.newBelow : t.chat.toEnd}
          </Button>
        )}
      </div>
      <Announce run={run ?? null} />
      <Composer
        threadId={thread?.id ?? 'new'}
        running={run ?? null}
        blockedBy={model ? '' : loading ? t.chat.stillLoading(loading.name) : t.chat.nothingServed}
        onSend={(text) => ask(text, path.at(-1)?.id ?? null)}
        onStop={() => threadId !== undefined && stopRun(threadId)}
      />
    </>
  )
}
