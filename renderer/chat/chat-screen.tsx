import { SlidersHorizontal } from 'lucide-react'
import { useEffect } from 'react'
import { useLocation } from 'wouter'
import { useWords } from '../i18n/index.ts'
import { answering } from '../state/answering.ts'
import type { Answering } from '../state/answering.ts'
import { createThread, loadThreads, openThread, useChat } from '../state/chat.ts'
import { useApp, useConnection } from '../state/connection.ts'
import { attempt, showProblem } from '../state/notices.ts'
import { setPreference, usePreferences } from '../state/preferences.ts'
import { IconButton } from '../ui/button.tsx'
import { Select } from '../ui/field.tsx'
import styles from './chat.module.css'
import { Conversation } from './conversation.tsx'
import { Parameters } from './parameters.tsx'
import { Threads } from './threads.tsx'
import { useChosenModel, chooseModel } from './use-model.ts'

/** Threads, the conversation, and how answers are made. */
export function ChatScreen({ threadId }: { threadId: string | null }) {
  const { t } = useWords()
  const [, go] = useLocation()
  const epoch = useConnection((c) => c.epoch)
  const threads = useChat((s) => s.threads)
  const thread = threads?.find((x) => x.id === threadId) ?? null
  const messages = useChat((s) => (threadId === null ? undefined : s.messages[threadId]))
  const deployments = useApp((s) => s.deployments)
  const guide = useApp((s) => s.guide)
  const choices = answering({ deployments, guide })
  const loading = deployments.find((d) => d.state === 'loading' && !d.onDemand)
  const model = useChosenModel(choices, thread)
  const parametersOpen = usePreferences((p) => p.chatParametersOpen)

  useEffect(() => {
    loadThreads().catch(showProblem)
  }, [epoch])
  useEffect(() => {
    if (threadId === null) return
    openThread(threadId).catch((error: unknown) => {
      showProblem(error)
      go('/chat')
    })
  }, [threadId, epoch, go])

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
      if (event.key === 'n') {
        event.preventDefault()
        go('/chat')
      }
      if (event.key === 'l') {
        event.preventDefault()
        document.getElementById('composer')?.focus()
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [go])

  return (
    <div className={styles.screen} data-testid="chat">
      <h1 className="visually-hidden">{t.screens.chat}</h1>
      <Threads threads={threads} shownId={threadId} />
      <section className={styles.middle} aria-label={t.chat.conversation}>
        <header className={styles.bar}>
          <ModelPicker choices={choices} model={model} />
          <span className={styles.title}>{thread?.title}</span>
          <IconButton
            label={parametersOpen ? t.chat.hideParameters : t.chat.showParameters}
            aria-expanded={parametersOpen}
            onClick={() => setPreference('chatParametersOpen', !parametersOpen)}
          >
            <SlidersHorizontal />
          </IconButton>
        </header>
        <Conversation
          key={threadId ?? 'new'}
          thread={thread}
          messages={threadId === null ? [] : messages}
          model={model}
          loading={loading ?? null}
          onNewThread={async () => {
            const made = await createThread(model?.name ?? null)
            go(`/chat/${made.id}`)
            return made
          }}
        />
      </section>
      {parametersOpen && (
        <Parameters
          thread={thread}
          onNewThread={() => attempt(async () => go(`/chat/${(await createThread(model?.name ?? null)).id}`))}
        />
      )}
    </div>
  )
}

function ModelPicker({ choices, model }: { choices: readonly Answering[]; model: Answering | null }) {
  const { t } = useWords()
  const models = useApp((s) => s.models)
  if (choices.length === 0) return <span className={styles.noModel}>{t.chat.noModel}</span>
  return (
    <Select
      quiet
      label={t.chat.model}
      value={model?.name ?? null}
      placeholder={t.chat.chooseModel}
      onValue={chooseModel}
      choices={choices.map((each) => ({
        value: each.name,
        label: each.name,
        note: each.isGuide ? t.chat.guideNote : models.find((m) => m.id === each.modelId)?.purpose || each.modelName,
      }))}
    />
  )
}
