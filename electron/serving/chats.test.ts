import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ChatEvent, Message } from '../contract/chat.ts'
import type { Store } from '../store/store.ts'
import { openStore } from '../store/store.ts'
import type { Chats } from './chats.ts'
import { createChats } from './chats.ts'
import type { FakeServed, Script } from './fake-served.ts'
import { fakeModels, fakeServed, fakeText, imEnd, spell } from './fake-served.ts'

let home: string
let store: Store
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lanyard-chats-'))
  store = openStore(home)
})
afterEach(() => {
  store.close()
  rmSync(home, { recursive: true, force: true })
})

const text = fakeText()
const answering = (words: string): Script => ({ tokens: () => [...spell(words), imEnd] })

function chatsOver(served: FakeServed): Chats {
  return createChats({
    threads: store.threads,
    messages: store.messages,
    atOnce: store.atOnce,
    served: fakeModels(served),
    textOf: () => text,
  })
}

interface Sent {
  events: ChatEvent[]
  user: Message | null
  answer: Message
}

async function send(
  chats: Chats,
  threadId: string,
  parentId: string | null,
  said: string | null,
  options: { signal?: AbortSignal; onEvent?: (event: ChatEvent) => void; model?: string } = {},
): Promise<Sent> {
  const events: ChatEvent[] = []
  await chats.handlers['chat.send'](
    { threadId, parentId, text: said, model: options.model ?? 'm', parameters: {} },
    (event) => {
      events.push(event)
      options.onEvent?.(event)
    },
    { signal: options.signal ?? new AbortController().signal },
  )
  const started = events[0]
  const ended = events.at(-1)
  if (started?.kind !== 'started' || ended?.kind !== 'ended')
    throw new Error('the events do not begin and end as they should')
  return { events, user: started.user, answer: ended.assistant }
}

const create = async (chats: Chats): Promise<string> =>
  (await chats.handlers['thread.create']({ model: null }, { signal: new AbortController().signal })).id

/** what the model was given, request by request */
const prompts = (served: FakeServed): string[] => served.requests.map((r) => text.decode(r.prompt, true))

describe('chats', () => {
  test("a question and its answer are stored with the answer's figures, and the first question names the chat", async () => {
    const chats = chatsOver(fakeServed('m', answering('hello there')))
    const thread = await create(chats)
    const { answer, user, events } = await send(chats, thread, null, '  How do I add\nmachines?')
    expect(
      events
        .filter((e) => e.kind === 'text')
        .map((e) => e.delta)
        .join(''),
    ).toBe('hello there')
    expect(answer).toMatchObject({ text: 'hello there', state: 'done', parentId: user?.id, problem: null })
    expect(answer.stats).toMatchObject({ tokens: 12, model: 'm' })
    expect(answer.stats!.firstTokenMs).toBeGreaterThan(0)
    expect(store.messages.of(thread)).toEqual([user, answer])
    expect(store.threads.get(thread)).toMatchObject({ title: 'How do I add', leafId: answer.id, model: 'm' })
  })

  test('the model is given the system prompt and the branch from the root', async () => {
    const served = fakeServed('m', answering('A'))
    const chats = chatsOver(served)
    const thread = await create(chats)
    await chats.handlers['thread.change']({ id: thread, system: 'Be brief.' }, { signal: new AbortController().signal })
    const first = await send(chats, thread, null, 'one')
    await send(chats, thread, first.answer.id, 'two')
    expect(prompts(served)[1]).toBe('system\nBe brief.\nuser\none\nassistant\nA\nuser\ntwo\nassistant\n')
  })

  test('an edit is a sibling question, answering again a sibling answer', async () => {
    const served = fakeServed('m', answering('A'))
    const chats = chatsOver(served)
    const thread = await create(chats)
    const first = await send(chats, thread, null, 'one')
    const again = await send(chats, thread, first.user!.id, null)
    const edited = await send(chats, thread, null, 'ONE')
    expect(again.user).toBeNull()
    expect([again.answer.parentId, edited.user?.parentId]).toEqual([first.user!.id, null])
    expect(prompts(served)).toEqual(['user\none\nassistant\n', 'user\none\nassistant\n', 'user\nONE\nassistant\n'])
    expect(store.messages.of(thread)).toHaveLength(5)
    expect(store.threads.get(thread)).toMatchObject({ leafId: edited.answer.id, title: 'one' })
  })

  test('cancelling the stream stops the generation and keeps the text', async () => {
    const served = fakeServed('m', { tokens: () => spell('abcdef') })
    const chats = chatsOver(served)
    const thread = await create(chats)
    const stop = new AbortController()
    const { answer } = await send(chats, thread, null, 'go', {
      signal: stop.signal,
      onEvent: (e) => {
        if (e.kind === 'text' && e.delta === 'c') stop.abort()
      },
    })
    expect(answer).toMatchObject({ state: 'stopped', text: 'abc', problem: null })
    expect(store.messages.get(answer.id)).toEqual(answer)
    expect(served.left).toBe(1)
  })

  test('a running answer is in the store before it ends, and after a crash it is stopped with its text', async () => {
    const reached = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const served = fakeServed('m', {
      tokens: () => spell('abcd'),
      gate: async (step) => {
        if (step < 3) return
        // the store has it without any further token coming
        while (!store.messages.of(thread).some((m) => m.text === 'abc'))
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
        reached.resolve()
        await go.promise
      },
    })
    const chats = chatsOver(served)
    const thread = await create(chats)
    const sending = send(chats, thread, null, 'go')
    await reached.promise
    expect(store.messages.of(thread)[1]).toMatchObject({ state: 'writing', text: 'abc' })
    // what the next start of the app does with the same database
    createChats({
      threads: store.threads,
      messages: store.messages,
      atOnce: store.atOnce,
      served: fakeModels(),
      textOf: () => text,
    })
    expect(store.messages.of(thread)[1]).toMatchObject({ state: 'stopped', text: 'abc' })
    go.resolve()
    await sending
  })

  test('a lost rank leaves the text so far and the reason', async () => {
    const failure = { code: 'rank_lost', message: 'Rank 1 on b went away.', hint: 'Serve again.' } as const
    const chats = chatsOver(fakeServed('m', { tokens: () => spell('so far'), failure }))
    const { answer } = await send(chats, await create(chats), null, 'go')
    expect(answer).toMatchObject({ state: 'failed', text: 'so far', problem: failure })
  })

  test('an answer that never got a word is left out of the next prompt', async () => {
    const failure = { code: 'rank_lost', message: 'Gone.', hint: '' } as const
    const served = fakeServed('m', { tokens: () => [], failure })
    const chats = chatsOver(served)
    const thread = await create(chats)
    const first = await send(chats, thread, null, 'one')
    await send(chats, thread, first.answer.id, 'two')
    expect(prompts(served)[1]).toBe('user\none\n\ntwo\nassistant\n')
  })

  test('what cannot be answered is refused before anything is stored', async () => {
    const chats = chatsOver(fakeServed('m', { context: 30 }))
    const thread = await create(chats)
    await expect(send(chats, thread, null, 'x'.repeat(100))).rejects.toMatchObject({ code: 'context_length_exceeded' })
    await expect(send(chats, thread, null, 'hi', { model: 'nope' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(send(chats, thread, null, null)).rejects.toMatchObject({ code: 'bad_request' })
    await expect(send(chats, thread, 'elsewhere', 'hi')).rejects.toMatchObject({ code: 'not_found' })
    await expect(send(chats, 'nothing', null, 'hi')).rejects.toMatchObject({ code: 'not_found' })
    expect(store.messages.of(thread)).toEqual([])
    expect(store.threads.get(thread)?.title).toBe('')
  })

  test('deleting a chat ends its running answer, and closing ends all', async () => {
    const started = Promise.withResolvers<void>()
    const served = fakeServed('m', {
      tokens: () => spell('ab'),
      gate: (step, signal) =>
        new Promise((resolve) => {
          if (step === 0) return resolve()
          started.resolve()
          signal.addEventListener('abort', () => resolve(), { once: true })
        }),
    })
    const chats = chatsOver(served)
    const thread = await create(chats)
    const sending = send(chats, thread, null, 'go')
    await started.promise
    await chats.handlers['thread.delete']({ id: thread }, { signal: new AbortController().signal })
    expect((await sending).answer.state).toBe('stopped')
    expect([store.threads.list(), store.messages.of(thread)]).toEqual([[], []])
    await chats.close()
  })

  test('a long title is cut between words and never inside a character', async () => {
    const chats = chatsOver(fakeServed('m', answering('ok')))
    const titleFor = async (said: string): Promise<string> => {
      const thread = await create(chats)
      await send(chats, thread, null, said)
      return store.threads.get(thread)!.title
    }
    expect(await titleFor('word '.repeat(30))).toBe(`${'word '.repeat(12).trim()}…`)
    expect(await titleFor('👩‍👩‍👧'.repeat(80))).toBe(`${'👩‍👩‍👧'.repeat(60)}…`)
  })
})
