/** Rank 0's constrained sequences: each follows a grammar, in a thread beside the step loop. */
import { Worker } from 'node:worker_threads'
import type { Problem } from '../../contract/errors.ts'
import type { Mask } from '../../grammar/masks.ts'
import type { FromGrammar, GrammarSetup, ToGrammar } from './messages.ts'

/** A sequence's place in its grammar. */
export interface Follower {
  /** what the next token may be; null while that is being worked out, and after the end */
  readonly mask: Mask | null
  /** the token that was chosen, one of those that `mask` allowed */
  take(token: number): void
  close(): void
}

export interface FollowerEvents {
  /** `mask` is there */
  ready(): void
  /** the text is whole: the sequence ends */
  finished(): void
  failed(problem: Problem): void
}

export interface Grammars {
  /** `stopIds` end the text, where the grammar lets it end. */
  follow(ebnf: string, stopIds: number[], events: FollowerEvents): Follower
  /** Does a follower wait for a mask after a token? */
  readonly isOwing: boolean
  /** Resolves when no follower waits for a mask after a token, or after `ms`. */
  settled(ms: number): Promise<void>
  close(): Promise<void>
}

interface Entry {
  events: FollowerEvents
  mask: Mask | null
  /** a token was taken, and what may follow it is not known yet */
  isOwed: boolean
  deadline: NodeJS.Timeout
}

/**
 * @param script the file that a thread runs, which calls `serveGrammars`
 * @param deadlineMs longest time for one answer: a format may be small and yet take for ever
 */
export function createGrammars(setup: GrammarSetup, script: string, deadlineMs = 20_000): Grammars {
  const entries = new Map<number, Entry>()
  let thread: Worker | null = null
  let next = 1
  let owed = 0
  let whenSettled: (() => void)[] = []
  let isClosed = false

  const settle = (entry: Entry): void => {
    if (!entry.isOwed) return
    entry.isOwed = false
    if (--owed > 0) return
    for (const resolve of whenSettled) resolve()
    whenSettled = []
  }

  const remove = (id: number): Entry | undefined => {
    const entry = entries.get(id)
    if (!entry) return undefined
    clearTimeout(entry.deadline)
    entries.delete(id)
    entry.mask = null
    settle(entry)
    return entry
  }

  const fail = (id: number, problem: Problem): void => remove(id)?.events.failed(problem)

  /** Its sequences end with it; the next one gets a new thread. */
  function lose(lost: Worker, why: string): void {
    if (thread !== lost) return
    thread = null
    const problem: Problem = { code: 'internal', message: `The output format is no longer followed: ${why}`, hint: '' }
    for (const id of entries.keys()) fail(id, problem)
  }

  function receive(message: FromGrammar): void {
    const entry = entries.get(message.id)
    if (!entry) return
    if (message.kind === 'mask') {
      clearTimeout(entry.deadline)
      entry.mask = message.mask
      settle(entry)
      entry.events.ready()
    } else if (message.kind === 'finished') remove(message.id)!.events.finished()
    else if (message.invalid)
      fail(message.id, {
        code: 'bad_request',
        message: `The output format cannot be used: ${message.message}.`,
        hint: '',
      })
    else fail(message.id, { code: 'internal', message: message.message, hint: '' })
  }

  function start(): Worker {
    const started = new Worker(script, { argv: ['grammar'], workerData: setup })
    started.on('message', (messages: FromGrammar[]) => messages.forEach(receive))
    started.on('error', (error) => lose(started, error instanceof Error ? error.message : String(error)))
    started.on('exit', () => lose(started, 'its thread ended.'))
    started.unref()
    return started
  }

  /** Only ending the thread ends what it is doing. */
  function watch(id: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      const late = thread
      fail(id, {
        code: 'bad_request',
        message: `The output format cannot be used: following it takes longer than ${deadlineMs / 1000} s.`,
        hint: 'Make it simpler: fewer alternatives, smaller counts.',
      })
      if (!late) return
      lose(late, 'another one took too long.')
      void late.terminate()
    }, deadlineMs)
    timer.unref()
    return timer
  }

  /** All that a step brings goes in one message. */
  let outbox: ToGrammar[] = []
  function post(message: ToGrammar): void {
    if (outbox.push(message) > 1) return
    queueMicrotask(() => {
      const messages = outbox
      outbox = []
      if (!isClosed) (thread ??= start()).postMessage(messages)
    })
  }

  return {
    follow(ebnf, stopIds, events) {
      const id = next++
      const entry: Entry = { events, mask: null, isOwed: false, deadline: watch(id) }
      entries.set(id, entry)
      post({ kind: 'open', id, ebnf, stopIds })
      return {
        get mask() {
          return entry.mask
        },
        take(token) {
          if (!entries.has(id)) return
          entry.mask = null
          if (!entry.isOwed) owed++
          entry.isOwed = true
          clearTimeout(entry.deadline)
          entry.deadline = watch(id)
          post({ kind: 'accept', id, token })
        },
        close() {
          if (remove(id)) post({ kind: 'close', id })
        },
      }
    },

    get isOwing() {
      return owed > 0
    },

    settled(ms) {
      if (owed === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms)
        whenSettled.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    },

    async close() {
      isClosed = true
      for (const id of entries.keys()) remove(id)
      const last = thread
      thread = null
      await last?.terminate()
    },
  }
}
