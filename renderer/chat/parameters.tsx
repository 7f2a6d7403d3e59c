import { useEffect, useState } from 'react'
import type { ChatParameters, Thread } from '../../electron/contract/chat.ts'
import { useWords } from '../i18n/index.ts'
import { changeThread } from '../state/chat.ts'
import { readParameters, writeParameters } from '../state/drafts.ts'
import { attempt } from '../state/notices.ts'
import { Button } from '../ui/button.tsx'
import { Field, TextField } from '../ui/field.tsx'
import styles from './chat.module.css'

/** How answers are made: the system prompt of this chat, sampling for all chats. A dot marks what differs from the default. */
export function Parameters({ thread, onNewThread }: { thread: Thread | null; onNewThread(): void }) {
  const { t } = useWords()
  const [parameters, setParameters] = useState(readParameters)
  const change = (next: ChatParameters): void => {
    setParameters(next)
    writeParameters(next)
  }
  const number = (
    key: 'temperature' | 'topP' | 'maxTokens' | 'seed',
    label: string,
    hint: string,
    limits: { min: number; max?: number; step: number | 'any' },
  ) => (
    <TextField
      label={`${label}${parameters[key] === undefined ? '' : ' •'}`}
      hint={hint}
      type="number"
      {...limits}
      placeholder={t.chat.modelDefault}
      value={parameters[key] === undefined ? '' : String(parameters[key])}
      onValue={(text) => {
        const value = text === '' ? undefined : Number(text)
        if (value === undefined || Number.isFinite(value)) change({ ...parameters, [key]: value })
      }}
    />
  )
  const changed = Object.values(parameters).some((v) => v !== undefined)
  return (
    <aside className={styles.parameters} aria-label={t.chat.parameters}>
      <h2>{t.chat.parameters}</h2>
      {thread ? (
        <SystemPrompt key={thread.id} thread={thread} />
      ) : (
        <div>
          <p className={styles.soft}>{t.chat.systemNeedsThread}</p>
          <Button size="small" onClick={onNewThread}>
            {t.chat.newThread}
          </Button>
        </div>
      )}
      {number('temperature', t.chat.temperature, t.chat.temperatureHint, { min: 0, max: 2, step: 'any' })}
      {number('topP', t.chat.topP, t.chat.topPHint, { min: 0, max: 1, step: 'any' })}
      {number('maxTokens', t.chat.maxTokens, t.chat.maxTokensHint, { min: 1, step: 1 })}
      {number('seed', t.chat.seed, t.chat.seedHint, { min: 0, step: 1 })}
      <Field label={`${t.chat.stopStrings}${parameters.stop ? ' •' : ''}`} hint={t.chat.stopStringsHint}>
        {({ id, describedBy }) => (
          <textarea
            id={id}
            aria-describedby={describedBy}
            className={styles.text}
            rows={2}
            value={(parameters.stop ?? []).join('\n')}
            onChange={(event) => {
              const stop = event.target.value.split('\n')
              change({ ...parameters, stop: event.target.value === '' ? undefined : stop })
            }}
          />
        )}
      </Field>
      <Button size="small" blockedBy={changed ? '' : t.chat.allDefault} onClick={() => change({})}>
        {t.chat.reset}
      </Button>
    </aside>
  )
}

function SystemPrompt({ thread }: { thread: Thread }) {
  const { t } = useWords()
  const [text, setText] = useState(thread.system)
  useEffect(() => {
    if (text === thread.system) return
    const timer = setTimeout(() => attempt(() => changeThread(thread.id, { system: text })), 500)
    return () => clearTimeout(timer)
  }, [text, thread.id, thread.system])
  return (
    <Field label={`${t.chat.system}${text === '' ? '' : ' •'}`} hint={t.chat.systemHint}>
      {({ id, describedBy }) => (
        <textarea
          id={id}
          aria-describedby={describedBy}
          className={styles.text}
          rows={5}
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
      )}
    </Field>
  )
}
