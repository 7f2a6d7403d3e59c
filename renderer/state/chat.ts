/** Threads, messages and running answers. Answers go on while other screens are shown; only closing the window ends them. */
import { create } from 'zustand'
import type { ChatEvent, ChatParameters, Message, Thread } from '../../electron/contract/chat.ts'
import { leafBelow } from './branches.ts'
import { rpc } from './connection.ts'
import { showProblem } from './notices.ts'

/** An answer being made. */
export interface Run {
  assistantId: string | null
  phase: 'sending' | 'queued' | 'reading' | 'writing'
  queued: number
  promptDone: number
  promptTotal: number
  text: string
  pieces: number
  writingSince: number
  stop: AbortController
}

export interface ChatState {
  /** null until loaded */
  threads: Thread[] | null
  messages: Record<string, Message[]>
  runs: Record<string, Run>
}

export const useChat = create<ChatState>(() => ({ threads: null, messages: {}, runs: {} }))

/** The window shows new text at most this often: 20 Hz. */
export const flushMs = 50

const set = useChat.setState
const get = useChat.getState

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([k]) => k !== key))
}

function putThread(thread: Thread): void {
  set(({ threads }) => ({
    threads: [thread, ...(threads ?? []).filter((t) => t.id !== thread.id)].sort((a, b) => b.updatedAt - a.updatedAt),
  }))
}

function putMessage(message: Message): void {
  set(({ messages }) => {
    const old = messages[message.threadId] ?? []
    const at = old.findIndex((m) => m.id === message.id)
    return { messages: { ...messages, [message.threadId]: at < 0 ? [...old, message] : old.with(at, message) } }
  })
}

function patchThread(id: string, change: Partial<Thread>): void {
  set(({ threads }) => ({ threads: threads?.map((t) => (t.id === id ? { ...t, ...change } : t)) ?? null }))
}

export async function loadThreads(): Promise<void> {
  const { threads } = await rpc.call('thread.list', {})
  set({ threads: threads.toSorted((a, b) => b.updatedAt - a.updatedAt) })
}

export async function openThread(id: string): Promise<void> {
  const { thread, messages } = await rpc.call('thread.open', { id })
  set((s) => {
    // An answer that started while the list travelled is not in it yet.
    const known = new Set(messages.map((m) => m.id))
    const newer = s.runs[id] ? (s.messages[id] ?? []).filter((m) => !known.has(m.id)) : []
    return { messages: { ...s.messages, [id]: [...messages, ...newer] } }
  })
  if (get().threads?.some((t) => t.id === id)) patchThread(id, thread)
  else putThread(thread)
}

export async function createThread(model: string | null): Promise<Thread> {
  const thread = await rpc.call('thread.create', { model })
  set((s) => ({ messages: { ...s.messages, [thread.id]: [] } }))
  putThread(thread)
  return thread
}

export async function changeThread(
  id: string,
  change: { title?: string; system?: string; leafId?: string },
): Promise<void> {
  patchThread(id, change)
  patchThread(id, await rpc.call('thread.change', { id, ...change }))
}

export async function deleteThread(id: string): Promise<void> {
  get().runs[id]?.stop.abort()
  await rpc.call('thread.delete', { id })
  set((s) => ({ threads: s.threads?.filter((t) => t.id !== id) ?? null, messages: without(s.messages, id) }))
}

/** Shows the branch that `messageId` is on, down to its newest end. */
export async function showBranch(threadId: string, messageId: string): Promise<void> {
  await changeThread(threadId, { leafId: leafBelow(get().messages[threadId] ?? [], messageId) })
}

/** A run after one event; `started` and `ended` also change messages, see `send`. */
export function stepRun(run: Run, event: ChatEvent, now: number): Run {
  switch (event.kind) {
    case 'started':
      return { ...run, assistantId: event.assistant.id }
    case 'waiting':
      return {
        ...run,
        phase: event.queued > 0 ? 'queued' : 'reading',
        queued: event.queued,
        promptDone: event.promptDone,
        promptTotal: event.promptTotal,
      }
    case 'text':
      return {
        ...run,
        phase: 'writing',
        text: run.text + event.delta,
        pieces: run.pieces + 1,
        writingSince: run.writingSince === 0 ? now : run.writingSince,
      }
    case 'ended':
      return run
  }
}

export interface SendRequest {
  threadId: string
  parentId: string | null
  /** null = answer `parentId` again */
  text: string | null
  model: string
  parameters: ChatParameters
}

/** Asks for an answer and follows it to its end. Problems become notices; the text so far is kept by the app. */
export async function send(request: SendRequest): Promise<void> {
  const { threadId } = request
  if (get().runs[threadId]) return
  const stop = new AbortController()
  let run: Run = {
    assistantId: null,
    phase: 'sending',
    queued: 0,
    promptDone: 0,
    promptTotal: 0,
    text: '',
    pieces: 0,
    writingSince: 0,
    stop,
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    set((s) => ({ runs: { ...s.runs, [threadId]: run } }))
  }
  flush()
  let ended = false
  try {
    await rpc.stream(
      'chat.send',
      request,
      (event) => {
        run = stepRun(run, event, performance.now())
        if (event.kind === 'started') {
          if (event.user) putMessage(event.user)
          putMessage(event.assistant)
          patchThread(threadId, { leafId: event.assistant.id, model: request.model, updatedAt: Date.now() })
          flush()
        } else if (event.kind === 'ended') {
          ended = true
          putMessage(event.assistant)
        } else {
          timer ??= setTimeout(flush, flushMs)
        }
      },
      { signal: stop.signal },
    )
  } catch (error) {
    if (!stop.signal.aborted) showProblem(error)
  } finally {
    clearTimeout(timer)
    if (!ended && run.assistantId !== null) {
      // Until the app can be asked, what was shown stays shown.
      const shown = get().messages[threadId]?.find((m) => m.id === run.assistantId)
      if (shown) putMessage({ ...shown, text: run.text, state: 'stopped' })
    }
    set((s) => ({ runs: without(s.runs, threadId) }))
    // The app may have titled the thread or ended the message after a stop.
    await openThread(threadId).catch(() => undefined)
  }
}

export function stopRun(threadId: string): void {
  get().runs[threadId]?.stop.abort()
}
