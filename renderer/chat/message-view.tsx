import { ChevronLeft, ChevronRight, Pencil, RotateCcw } from 'lucide-react'
import { memo, useState } from 'react'
import type { Message } from '../../electron/contract/chat.ts'
import { useWords } from '../i18n/index.ts'
import type { Words } from '../i18n/index.ts'
import { siblingsOf } from '../state/branches.ts'
import { showBranch } from '../state/chat.ts'
import type { Run } from '../state/chat.ts'
import { attempt } from '../state/notices.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { splitReasoning } from '../ui/markdown-blocks.ts'
import { Markdown } from '../ui/markdown.tsx'
import { Progress } from '../ui/meter.tsx'
import { ProblemBox } from '../ui/pieces.tsx'
import styles from './chat.module.css'

export interface MessageViewProps {
  message: Message
  /** all messages of the thread, for the branches */
  all: readonly Message[]
  /** set while this message is being written by this window */
  run: Run | null
  busy: boolean
  canAnswer: boolean
  onAsk(text: string | null, parentId: string | null): void
}

export const MessageView = memo(function MessageView({ message, all, run, busy, canAnswer, onAsk }: MessageViewProps) {
  const words = useWords()
  const { t } = words
  const [editing, setEditing] = useState<string | null>(null)
  const fromUser = message.role === 'user'
  const text = run ? run.text : message.text
  const blockedBy = busy ? t.chat.wait : canAnswer ? '' : t.chat.nothingServed
  const writing = run !== null || message.state === 'writing'

  return (
    <article
      className={styles.message}
      data-role={message.role}
      data-state={run ? 'writing' : message.state}
      aria-label={fromUser ? t.chat.you : t.chat.answer}
      data-testid={fromUser ? 'user-message' : 'assistant-message'}
    >
      {editing !== null ? (
        <form
          className={styles.edit}
          onSubmit={(event) => {
            event.preventDefault()
            if (editing.trim() === '' || blockedBy) return
            onAsk(editing.trim(), message.parentId)
            setEditing(null)
          }}
        >
          <textarea
            aria-label={t.chat.editLabel}
            value={editing}
            rows={Math.min(12, editing.split('\n').length + 1)}
            autoFocus
            onChange={(e) => setEditing(e.target.value)}
            onKeyDown={(e) => {
              if (e.key === 'Escape') {
                e.stopPropagation()
                setEditing(null)
              }
            }}
          />
          <p className={styles.soft}>{t.chat.editHint}</p>
          <div className={styles.editFoot}>
            <Button size="small" onClick={() => setEditing(null)}>
              {t.common.cancel}
            </Button>
            <Button
              size="small"
              look="primary"
              type="submit"
              blockedBy={blockedBy || (editing.trim() === '' ? t.chat.empty : '')}
            >
              {t.chat.sendEdit}
            </Button>
          </div>
        </form>
      ) : fromUser ? (
        <p className={styles.bubble}>{message.text}</p>
      ) : (
        <Answer text={text} />
      )}
      {writing && <Waiting run={run} />}
      {!run && message.state === 'stopped' && <p className={styles.soft}>{t.chat.stopped}</p>}
      {message.problem && <ProblemBox problem={message.problem} />}
      {editing === null && !writing && (
        <footer className={styles.foot}>
          <Branches message={message} all={all} blockedBy={busy ? t.chat.wait : ''} />
          {message.stats && (
            <span className={styles.stats} data-testid="message-stats">
              {statsLine(message.stats, words)}
            </span>
          )}
          <span className={styles.tools}>
            <CopyButton text={message.text} label={t.chat.copyMessage} />
            {fromUser ? (
              <IconButton label={t.chat.edit} blockedBy={blockedBy} onClick={() => setEditing(message.text)}>
                <Pencil />
              </IconButton>
            ) : (
              <IconButton label={t.chat.regenerate} blockedBy={blockedBy} onClick={() => onAsk(null, message.parentId)}>
                <RotateCcw />
              </IconButton>
            )}
          </span>
        </footer>
      )}
    </article>
  )
})

function statsLine(stats: NonNullable<Message['stats']>, { t, f }: Words): string {
  return [
    t.units.tokensPerSecond(f.speed(stats.tokensPerSecond)),
    t.units.tokens(f.number(stats.tokens)),
    t.units.firstToken(f.duration(stats.firstTokenMs)),
    t.chat.promptTokens(f.number(stats.promptTokens)),
    stats.model,
  ].join(' · ')
}

function Answer({ text }: { text: string }) {
  const { t } = useWords()
  const { thoughts, answer, open } = splitReasoning(text)
  return (
    <>
      {thoughts !== '' && (
        <details className={styles.thoughts}>
          <summary>{open ? t.chat.thinking : t.chat.thoughts}</summary>
          <Markdown text={thoughts} />
        </details>
      )}
      {answer !== '' && <Markdown text={answer} />}
    </>
  )
}

/** Where a running answer is: queued, reading the prompt, writing. */
function Waiting({ run }: { run: Run | null }) {
  const { t, f } = useWords()
  const seconds = run && run.writingSince > 0 ? (performance.now() - run.writingSince) / 1000 : 0
  const read = run && run.promptTotal > 0 ? run.promptDone / run.promptTotal : 0
  const text = !run
    ? t.chat.elsewhere
    : run.phase === 'queued'
      ? t.chat.queued(run.queued)
      : run.phase === 'reading'
        ? t.chat.reading(f.percent(read), f.number(run.promptTotal))
        : run.phase === 'writing'
          ? seconds > 0.5
            ? t.chat.writingAt(f.speed(run.pieces / seconds))
            : t.chat.writing
          : t.chat.sending
  return (
    <div className={styles.waiting} data-testid="waiting" data-phase={run?.phase ?? 'elsewhere'}>
      <i className={styles.busy} aria-hidden="true" />
      {text}
      {run?.phase === 'reading' && run.promptTotal > 0 && (
        <div className={styles.reading}>
          <Progress label={text} value={read} text={text} />
        </div>
      )}
    </div>
  )
}

/** `< 2/3 >`: the versions that stand at this place. */
function Branches({ message, all, blockedBy }: { message: Message; all: readonly Message[]; blockedBy: string }) {
  const { t } = useWords()
  const siblings = siblingsOf(all, message)
  const at = siblings.findIndex((m) => m.id === message.id)
  if (siblings.length < 2) return null
  const show = (index: number): void => {
    const target = siblings[index]
    if (target) attempt(() => showBranch(message.threadId, target.id))
  }
  return (
    <span className={styles.branches} role="group" aria-label={t.chat.versions} data-testid="branches">
      <IconButton
        label={t.chat.previousVersion}
        blockedBy={blockedBy || (at === 0 ? t.chat.firstVersion : '')}
        onClick={() => show(at - 1)}
      >
        <ChevronLeft />
      </IconButton>
      <span>
        {at + 1}/{siblings.length}
      </span>
      <IconButton
        label={t.chat.nextVersion}
        blockedBy={blockedBy || (at === siblings.length - 1 ? t.chat.lastVersion : '')}
        onClick={() => show(at + 1)}
      >
        <ChevronRight />
      </IconButton>
    </span>
  )
}
