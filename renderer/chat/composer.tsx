import { ArrowUp, Square } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useWords } from '../i18n/index.ts'
import type { Run } from '../state/chat.ts'
import { readDraft, writeDraft } from '../state/drafts.ts'
import { Button } from '../ui/button.tsx'
import styles from './chat.module.css'

export interface ComposerProps {
  threadId: string
  running: Run | null
  /** why nothing can be sent now */
  blockedBy: string
  onSend(text: string): void
  onStop(): void
}

/** Enter sends, Shift+Enter starts a line; a line being composed by an input method is never sent. */
export function Composer({ threadId, running, blockedBy, onSend, onStop }: ComposerProps) {
  const { t } = useWords()
  const [text, setText] = useState(() => readDraft(threadId))
  const area = useRef<HTMLTextAreaElement>(null)
  // Safari ends the composition before the Enter that ended it arrives as a key.
  const composedAt = useRef(0)

  useEffect(() => {
    area.current?.focus()
  }, [])
  useEffect(() => {
    const element = area.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(element.scrollHeight, window.innerHeight * 0.35)}px`
  }, [text])

  const change = (next: string): void => {
    setText(next)
    writeDraft(threadId, next)
  }
  const why = running ? t.chat.wait : blockedBy || (text.trim() === '' ? t.chat.empty : '')
  const submit = (): void => {
    if (why) return
    onSend(text.trim())
    change('')
  }

  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <div className={styles.box}>
        <textarea
          ref={area}
          id="composer"
          rows={1}
          value={text}
          aria-label={t.chat.message}
          placeholder={blockedBy || t.chat.placeholder}
          onChange={(event) => change(event.target.value)}
          onCompositionEnd={() => {
            composedAt.current = performance.now()
          }}
          onKeyDown={(event) => {
            const composing =
              event.nativeEvent.isComposing || event.keyCode === 229 || performance.now() - composedAt.current < 60
            if (event.key === 'Enter' && !event.shiftKey && !composing) {
              event.preventDefault()
              submit()
            }
          }}
        />
        {running ? (
          <Button
            look="primary"
            icon={<Square fill="currentColor" />}
            onClick={onStop}
            aria-keyshortcuts="Escape"
            data-testid="stop"
          >
            {t.chat.stop}
          </Button>
        ) : (
          <Button look="primary" type="submit" icon={<ArrowUp />} blockedBy={why} data-testid="send">
            {t.chat.send}
          </Button>
        )}
      </div>
      <p className={styles.keys}>{running ? t.chat.stopHint : t.chat.sendHint}</p>
    </form>
  )
}
