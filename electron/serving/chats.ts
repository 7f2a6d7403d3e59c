/** The chats of the window: kept as trees of messages, answered through the same pipeline as the OpenAI port. */
import { randomUUID } from 'node:crypto'
import type { AppContract } from '../contract/app.ts'
import type { ChatEvent, ChatParameters, Message, Thread } from '../contract/chat.ts'
import { LanyardError } from '../contract/errors.ts'
import type { Handlers, HandlerContext, ParsedOf } from '../contract/rpc/contract.ts'
import type { MessageRecords, ThreadRecords } from '../store/store.ts'
import type { Completion, CompletionEnd, CompletionParameters } from './completion.ts'
import { prepareCompletion } from './completion.ts'
import type { Served, ServedModels } from './served.ts'
import type { ChatMessage, TextTools } from './text-tools.ts'

export interface ChatDeps {
  threads: ThreadRecords
  messages: MessageRecords
  /** all changes of `work` to the store, or none */
  atOnce<T>(work: () => T): T
  served: ServedModels
  textOf(served: Served): TextTools | Promise<TextTools>
}

type ChatCall = 'thread.list' | 'thread.create' | 'thread.open' | 'thread.change' | 'thread.delete' | 'chat.send'

export interface Chats {
  handlers: Pick<Handlers<AppContract>, ChatCall>
  /** Ends the running answers; their text so far is kept. */
  close(): Promise<void>
}

/** How much of a running answer a killed app may lose. */
const flushMs = 300
const titleLength = 60

type Send = ParsedOf<AppContract['chat.send']>

/** The chat service. Answers that an earlier run of the app left half written become `stopped`. */
export function createChats(deps: ChatDeps): Chats {
  const { threads, messages } = deps
  /** running answers, by thread */
  const running = new Map<string, Set<{ stop: AbortController; ended: Promise<void> }>>()
  messages.endWriting()

  const threadOf = (id: string): Thread => {
    const thread = threads.get(id)
    if (!thread)
      throw new LanyardError('not_found', 'This chat does not exist any more.', 'Open another one from the list.')
    return thread
  }

  /** Stops what runs in a thread and waits until it has been stored. */
  const stopAll = async (only?: string): Promise<void> => {
    const answers = [...running].flatMap(([id, set]) => (only === undefined || id === only ? [...set] : []))
    for (const answer of answers) answer.stop.abort()
    await Promise.all(answers.map((answer) => answer.ended))
  }

  async function send(
    input: Send,
    emit: (event: ChatEvent) => void,
    { signal }: HandlerContext,
  ): Promise<Record<string, never>> {
    const thread = threadOf(input.threadId)
    const parent = parentOf(messages, input)
    const served = deps.served.get(input.model)
    const path = parent ? messages.path(parent.id) : []
    const user: Message | null =
      input.text === null ? null : newMessage(thread.id, parent?.id ?? null, 'user', input.text, 'done')
    // refused before anything is stored: the user's text stays where it was written
    const completion = prepareCompletion(
      served,
      await deps.textOf(served),
      { messages: conversation(thread.system, user ? [...path, user] : path) },
      parametersOf(input.parameters),
    )
    const answer = newMessage(thread.id, (user ?? parent)!.id, 'assistant', '', 'writing')
    deps.atOnce(() => {
      if (user) messages.put(user)
      messages.put(answer)
      const title = thread.title === '' && user ? titleOf(user.text) : thread.title
      threads.put({ ...threadOf(thread.id), title, model: served.name, leafId: answer.id, updatedAt: Date.now() })
    })
    emit({ kind: 'started', user, assistant: answer })

    const stop = new AbortController()
    const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>()
    const entry = { stop, ended }
    const others = running.get(thread.id) ?? new Set()
    running.set(thread.id, others.add(entry))
    try {
      const final = await write(completion, answer, emit, AbortSignal.any([signal, stop.signal]))
      emit({ kind: 'ended', assistant: final })
      return {}
    } finally {
      others.delete(entry)
      if (others.size === 0) running.delete(thread.id)
      markEnded()
    }
  }

  /** Runs the generation into the stored message; what came before a stop or a failure is kept. */
  async function write(
    completion: Completion,
    answer: Message,
    emit: (event: ChatEvent) => void,
    signal: AbortSignal,
  ): Promise<Message> {
    let text = ''
    let timer: NodeJS.Timeout | undefined
    let end: CompletionEnd | undefined
    const flush = (): void => {
      timer = undefined
      try {
        messages.setText(answer.id, text)
      } catch {
        // a disk that is full now may not be at the end, and if it is, the last write says so
      }
    }
    try {
      for await (const event of completion.run(signal)) {
        if (event.kind === 'ended') end = event
        else if (event.kind === 'waiting') emit(event)
        else if (event.kind === 'text') {
          text += event.delta
          emit({ kind: 'text', delta: event.delta })
          timer ??= setTimeout(flush, flushMs)
        }
      }
    } finally {
      clearTimeout(timer)
    }
    const final: Message = { ...answer, text, ...outcomeOf(end, completion.served.name) }
    deps.atOnce(() => {
      messages.put(final)
      const now = threads.get(answer.threadId)
      if (now) threads.put({ ...now, updatedAt: Date.now() })
    })
    return final
  }

  return {
    handlers: {
      'thread.list': () => ({ threads: threads.list() }),
      'thread.create': ({ model }) => {
        const now = Date.now()
        const thread: Thread = {
          id: randomUUID(),
          title: '',
          model,
          system: '',
          leafId: null,
          createdAt: now,
          updatedAt: now,
        }
        threads.put(thread)
        return thread
      },
      'thread.open': ({ id }) => ({ thread: threadOf(id), messages: messages.of(id) }),
      'thread.change': ({ id, title, system, leafId }) => {
        const thread = threadOf(id)
        if (leafId !== undefined && messages.get(leafId)?.threadId !== id) {
          throw new LanyardError('not_found', 'This message is not in this chat.', 'Open the chat again.')
        }
        const changed: Thread = {
          ...thread,
          title: title ?? thread.title,
          system: system ?? thread.system,
          leafId: leafId ?? thread.leafId,
        }
        threads.put(changed)
        return changed
      },
      'thread.delete': async ({ id }) => {
        await stopAll(id)
        threads.delete(id)
        return {}
      },
      'chat.send': send,
    },
    close: () => stopAll(),
  }
}

/** The message that is answered (regenerate) or written below (a question, or an edit of one). */
function parentOf(messages: MessageRecords, input: Send): Message | null {
  if (input.parentId === null) {
    if (input.text === null)
      throw new LanyardError('bad_request', 'There is nothing to answer.', 'Write a message first.')
    return null
  }
  const parent = messages.get(input.parentId)
  if (parent?.threadId !== input.threadId)
    throw new LanyardError('not_found', 'The message to answer below is not in this chat.', 'Open the chat again.')
  if (input.text === null && parent.role !== 'user') {
    throw new LanyardError(
      'bad_request',
      'Only a message of yours can be answered again.',
      'Regenerate from the message before the answer.',
    )
  }
  if (parent.state === 'writing')
    throw new LanyardError('bad_request', 'This answer is still being written.', 'Stop it first, or wait for its end.')
  return parent
}

function newMessage(
  threadId: string,
  parentId: string | null,
  role: Message['role'],
  text: string,
  state: Message['state'],
): Message {
  return { id: randomUUID(), threadId, parentId, role, text, state, stats: null, problem: null, createdAt: Date.now() }
}

/**
 * What the model is given of a branch: answers that never got a word are left out, and messages that then follow each
 * other in one role become one, since many templates want the roles in turn.
 */
function conversation(system: string, path: readonly Message[]): ChatMessage[] {
  const turns: ChatMessage[] = system.trim() === '' ? [] : [{ role: 'system', content: system }]
  for (const { role, text } of path) {
    if (role === 'assistant' && text === '') continue
    const last = turns.at(-1)
    if (last?.role === role) last.content = `${String(last.content)}\n\n${text}`
    else turns.push({ role, content: text })
  }
  return turns
}

function parametersOf(p: ChatParameters): CompletionParameters {
  return { temperature: p.temperature, topP: p.topP, maxTokens: p.maxTokens, seed: p.seed, stop: p.stop }
}

function outcomeOf(end: CompletionEnd | undefined, model: string): Pick<Message, 'state' | 'stats' | 'problem'> {
  if (!end)
    return {
      state: 'failed',
      stats: null,
      problem: { code: 'internal', message: 'The answer ended without saying why.', hint: '' },
    }
  const state = end.finishReason === 'failed' ? 'failed' : end.finishReason === 'aborted' ? 'stopped' : 'done'
  const { usage, timing } = end
  const stats =
    timing.firstTokenMs === null
      ? null
      : {
          promptTokens: usage.promptTokens,
          tokens: usage.completionTokens,
          firstTokenMs: timing.firstTokenMs,
          tokensPerSecond: timing.tokensPerSecond,
          model,
        }
  return { state, stats, problem: end.problem }
}

/** The first line, cut between words where it is long; characters made of several code points stay whole. */
function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0]!.trim()
  const signs = [
    ...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(line.slice(0, titleLength * 16)),
  ].map((s) => s.segment)
  if (signs.length <= titleLength) return line.length > titleLength * 16 ? `${signs.join('')}…` : signs.join('')
  const cut = signs.slice(0, titleLength).join('')
  const space = cut.lastIndexOf(' ')
  return `${space > titleLength / 2 ? cut.slice(0, space) : cut}…`
}
