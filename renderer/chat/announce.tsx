import { useEffect, useRef, useState } from 'react'
import { useWords } from '../i18n/index.ts'
import type { Run } from '../state/chat.ts'
import { sentenceEnd } from './sentences.ts'

/** Reads a growing answer to screen readers sentence by sentence, never word by word. */
export function Announce({ run }: { run: Run | null }) {
  const { t } = useWords()
  const [spoken, setSpoken] = useState('')
  const said = useRef(0)
  const was = useRef<string | null>(null)
  const wasText = useRef('')
  const text = run?.text ?? ''
  const id = run?.assistantId ?? null
  useEffect(() => {
    if (id === null) {
      // The rest of an answer that just ended.
      if (was.current !== null) setSpoken(wasText.current.slice(said.current).trim() || t.chat.ended)
      was.current = null
      said.current = 0
      return
    }
    if (was.current !== id) {
      was.current = id
      said.current = 0
    }
    wasText.current = text
    const end = sentenceEnd(text)
    if (end > said.current) {
      setSpoken(text.slice(said.current, end).trim())
      said.current = end
    }
  }, [id, text, t])
  return (
    <p className="visually-hidden" aria-live="polite" data-testid="announce">
      {spoken}
    </p>
  )
}
