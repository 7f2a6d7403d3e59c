import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Message, Thread } from '../contract/chat.ts'
import type { Machine } from '../contract/machine.ts'
import type { Model } from '../contract/model.ts'
import { migrations } from './migrations.ts'
import { openStore, readControl, removeControl, writeControl } from './store.ts'

let home: string
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), 'lanyard-store-')), 'home')
})
afterEach(() => rmSync(join(home, '..'), { recursive: true, force: true }))

const machine: Machine = {
  id: 'm1',
  name: 'box',
  kind: 'ssh',
  address: 'me@box:22',
  entered: 'box',
  identity: null,
  state: 'ready',
  status: '',
  hardware: null,
  worker: null,
  cpuSpeed: null,
  hostKey: null,
  dataAddress: null,
  problem: null,
  addedAt: 5,
  lastSeen: null,
}
const model: Model = {
  id: 'q',
  name: 'qwen',
  path: '/models/qwen',
  architecture: 'QWenLMHeadModel',
  family: 'qwen1',
  parameters: 1e6,
  bytes: 2e6,
  dtype: 'bf16',
  context: 256,
  layers: 3,
  hidden: 128,
  heads: 4,
  kvHeads: 4,
  headDim: 32,
  vocab: 1024,
  fingerprint: 'f',
  tokenizer: 'qwen.tiktoken',
  hasTemplate: false,
  purpose: '',
  addedAt: 1,
}
const thread: Thread = { id: 't', title: '', model: null, system: '', leafId: null, createdAt: 1, updatedAt: 1 }
const message = (id: string, parentId: string | null, text = id, extra: Partial<Message> = {}): Message => ({
  id,
  threadId: 't',
  parentId,
  role: 'user',
  text,
  state: 'done',
  stats: null,
  problem: null,
  createdAt: 1,
  ...extra,
})
const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8)

describe('the store', () => {
  test('what is written is there after a new start', () => {
    {
      using store = openStore(home)
      store.machines.put(machine)
      store.models.put(model)
      store.pins.put({ host: 'box', port: 22, type: 'ssh-ed25519', fingerprint: 'SHA256:x', key: 'AAAA', pinnedAt: 3 })
      store.lastServed.put({ name: 'qwen', request: { model: 'q', on: [] }, usedAt: 4 })
      store.settings.set('openaiPort', 9000)
      store.threads.put(thread)
      store.messages.put(message('a', null))
    }
    using store = openStore(home)
    expect(store.machines.list()).toEqual([machine])
    expect(store.models.get('q')).toEqual(model)
    expect(store.pins.of('box', 22)).toEqual([
      { host: 'box', port: 22, type: 'ssh-ed25519', fingerprint: 'SHA256:x', key: 'AAAA', pinnedAt: 3 },
    ])
    expect(store.lastServed.list()).toEqual([{ name: 'qwen', request: { model: 'q', on: [] }, usedAt: 4 }])
    expect(store.settings.get('openaiPort')).toBe(9000)
    expect(store.messages.of('t')).toEqual([message('a', null)])
  })

  test('the folder is 0700 and every file in it 0600, whatever they were before', () => {
    using store = openStore(home)
    store.machines.put(machine)
    expect(mode(home)).toBe('700')
    for (const file of ['lanyard.db', 'lanyard.db-wal', 'lanyard.db-shm', 'lanyard.lock', 'lanyard.pid'])
      expect([file, mode(join(home, file))]).toEqual([file, '600'])
    store.close()
    chmodSync(join(home, 'lanyard.db'), 0o644)
    chmodSync(home, 0o755)
    using again = openStore(home)
    expect([again.machines.list().length, mode(home), mode(join(home, 'lanyard.db'))]).toEqual([1, '700', '600'])
  })

  test('a second machine of the same name is refused, the same machine is replaced', () => {
    using store = openStore(home)
    store.machines.put(machine)
    store.machines.put({ ...machine, status: 'ready' })
    expect(store.machines.list()).toEqual([{ ...machine, status: 'ready' }])
    expect(() => store.machines.put({ ...machine, id: 'm2' })).toThrow(
      expect.objectContaining({ code: 'machine_known' }),
    )
    store.models.put(model)
    expect(() => store.models.put({ ...model, id: 'other' })).toThrow(expect.objectContaining({ code: 'model_known' }))
  })

  test('a pinned key is replaced by one of its type and forgotten with its address', () => {
    using store = openStore(home)
    const pin = { host: 'box', port: 22, type: 'ssh-ed25519', fingerprint: 'SHA256:x', key: 'AAAA', pinnedAt: 3 }
    store.pins.put(pin)
    store.pins.put({ ...pin, fingerprint: 'SHA256:y' })
    store.pins.put({ ...pin, type: 'ssh-rsa' })
    store.pins.put({ ...pin, port: 2222 })
    expect(store.pins.of('box', 22).map((p) => p.fingerprint)).toEqual(['SHA256:y', 'SHA256:x'])
    expect(store.pins.delete('box', 22)).toBe(2)
    expect(store.pins.list()).toHaveLength(1)
  })

  test('a change that fails half way leaves nothing', () => {
    using store = openStore(home)
    expect(() =>
      store.atOnce(() => {
        store.threads.put(thread)
        throw new Error('half way')
      }),
    ).toThrow('half way')
    expect(store.threads.list()).toEqual([])
  })

  test('a file that is no database is named and left alone', () => {
    openStore(home).close()
    writeFileSync(join(home, 'lanyard.db'), 'this is not a database, only text that is long enough')
    expect(() => openStore(home)).toThrow(expect.objectContaining({ code: 'store_failed' }))
    rmSync(join(home, 'lanyard.db'))
    openStore(home).close()
  })

  test('a database of a newer Lanyard is refused', () => {
    openStore(home).close()
    const db = new DatabaseSync(join(home, 'lanyard.db'))
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`)
    db.close()
    expect(() => openStore(home)).toThrow(/schema 2.*up to 1/)
  })
})

describe('messages in the store', () => {
  test('a path leads from the root to one message, past its siblings', () => {
    using store = openStore(home)
    store.threads.put(thread)
    for (const m of [message('a', null), message('b', 'a'), message('b2', 'a'), message('c', 'b2')])
      store.messages.put(m)
    expect(store.messages.path('c').map((m) => m.id)).toEqual(['a', 'b2', 'c'])
    expect(store.messages.path('none')).toEqual([])
  })

  test('deleting a thread deletes its messages', () => {
    using store = openStore(home)
    store.threads.put(thread)
    store.messages.put(message('a', null, 'find me here'))
    store.threads.delete('t')
    expect(store.messages.get('a')).toBeNull()
    expect(store.messages.search('find me', 5)).toEqual([])
  })

  test('search finds parts of words, Chinese, two characters and special signs, in finished messages', () => {
    using store = openStore(home)
    store.threads.put(thread)
    store.messages.put(message('a', null, '机器学习很有意思'))
    store.messages.put(message('b', 'a', 'The Tensor "parallel" split'))
    store.messages.put(message('c', 'b', 'at 100% of ten', { state: 'writing' }))
    const found = (text: string): string[] => store.messages.search(text, 10).map((m) => m.id)
    expect([found('器学习'), found('学习'), found('tensor'), found('"parallel"'), found('0%')]).toEqual([
      ['a'],
      ['a'],
      ['b'],
      ['b'],
      [],
    ])
    store.messages.setText('c', 'at 100% of ten thousand')
    store.messages.put(message('c', 'b', 'at 100% of ten thousand', { state: 'done' }))
    expect([found('thousand'), found('0%')]).toEqual([['c'], ['c']])
    store.messages.put(message('b', 'a', 'rewritten'))
    expect([found('tensor'), found('rewritten')]).toEqual([[], ['b']])
  })

  test('answers left half written become stopped and keep their text', () => {
    using store = openStore(home)
    store.threads.put(thread)
    store.messages.put(message('a', null, 'half an ans', { role: 'assistant', state: 'writing' }))
    expect(store.messages.endWriting()).toBe(1)
    expect(store.messages.get('a')).toMatchObject({ text: 'half an ans', state: 'stopped' })
    expect(store.messages.search('half an', 1)).toHaveLength(1)
  })
})

describe('settings', () => {
  test('an invalid value gives the default and is named, unknown keys stay', () => {
    openStore(home).close()
    const db = new DatabaseSync(join(home, 'lanyard.db'))
    db.exec(`INSERT INTO settings VALUES ('openaiPort', '"many"'), ('discovery', 'no json'), ('from_the_future', '7')`)
    db.close()
    {
      using store = openStore(home)
      expect(store.settings.all()).toMatchObject({ openaiPort: 8317, discovery: true, theme: 'system', apiKeys: [] })
      expect(store.settings.invalid()).toEqual(['openaiPort', 'discovery'])
      store.settings.set('openaiPort', 1)
      expect(() => store.settings.set('openaiPort', 70000)).toThrow()
      store.settings.unset('discovery')
      expect(store.settings.invalid()).toEqual([])
    }
    const after = new DatabaseSync(join(home, 'lanyard.db'))
    expect(after.prepare("SELECT value FROM settings WHERE key = 'from_the_future'").get()).toEqual({ value: '7' })
    after.close()
  })
})

describe('the lock on a home', () => {
  test("a second app is refused with the first one's process id", () => {
    using store = openStore(home)
    expect(store.threads.list()).toEqual([])
    expect(() => openStore(home)).toThrow(
      expect.objectContaining({ code: 'home_in_use', message: expect.stringContaining(`process ${process.pid}`) }),
    )
  })

  test('a process that was killed holds nothing', async () => {
    const script = `
      const { openStore } = await import(${JSON.stringify(new URL('./store.ts', import.meta.url).href)})
      globalThis.store = openStore(${JSON.stringify(home)}) // kept: a store that nobody holds may be collected, and its lock with it
      process.send('open')
      setInterval(() => undefined, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    expect(() => openStore(home)).toThrow(
      expect.objectContaining({ code: 'home_in_use', message: expect.stringContaining(`process ${child.pid}`) }),
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    using store = openStore(home)
    expect(store.machines.list()).toEqual([])
  })
})

describe('control.json', () => {
  test('is private, replaced whole, and removed by its own process only', () => {
    openStore(home).close()
    const control = { pid: process.pid, uiUrl: null, rpcUrl: 'ws://127.0.0.1:1/rpc', token: 'secret' }
    writeControl(home, { ...control, token: 'older' })
    writeControl(home, control)
    expect(readControl(home)).toEqual(control)
    expect(mode(join(home, 'control.json'))).toBe('600')
    writeControl(home, { ...control, pid: process.ppid })
    removeControl(home)
    expect(existsSync(join(home, 'control.json'))).toBe(true)
    writeControl(home, control)
    removeControl(home)
    expect(readControl(home)).toBeNull()
  })

  test('of a process that is gone counts as none', async () => {
    openStore(home).close()
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    writeControl(home, { pid: child.pid!, uiUrl: null, rpcUrl: 'ws://127.0.0.1:1/rpc', token: 'secret' })
    expect(readControl(home)).toBeNull()
  })
})
