import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { runWorkerCommand, temporaryFolder } from '../testing/worker-process.ts'
import { receiveShard } from './receive.ts'
import { openShards } from './shards.ts'

const content = Buffer.from(Array.from({ length: 10_000 }, (_, n) => (n * 31) % 251))
const sha256 = createHash('sha256').update(content).digest('hex')
const pieces = (bytes: Buffer, size = 999): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size)),
  )
const order = { key: 'k', bytes: content.length, sha256, offset: 0 }

describe('receiving a shard', () => {
  test('a whole one lies under its name, and is not taken twice', async () => {
    using folder = temporaryFolder()
    expect(await receiveShard(folder.path, order, pieces(content))).toEqual({ ok: true, bytes: 10_000 })
    expect(readFileSync(path.join(folder.path, 'k.safetensors'))).toEqual(content)
    expect(existsSync(path.join(folder.path, 'k.partial'))).toBe(false)
    expect(await receiveShard(folder.path, order, pieces(Buffer.alloc(0)))).toEqual({ ok: true, bytes: 10_000 })
    expect((await openShards(folder.path).have(['k', 'l'])).shards).toEqual([
      { key: 'k', complete: true, bytes: 10_000, path: path.join(folder.path, 'k.safetensors') },
      { key: 'l', complete: false, bytes: 0, path: path.join(folder.path, 'l.safetensors') },
    ])
  })

  test('an interrupted one goes on where it stopped, and says where that is', async () => {
    using folder = temporaryFolder()
    const early = await receiveShard(folder.path, order, pieces(content.subarray(0, 4000)))
    expect(early).toMatchObject({ ok: false, bytes: 4000, code: 'shard_failed' })
    expect((await openShards(folder.path).have(['k'])).shards[0]).toMatchObject({ complete: false, bytes: 4000 })
    expect(await receiveShard(folder.path, order, pieces(content))).toMatchObject({
      ok: false,
      bytes: 4000,
      code: 'bad_request',
    })
    expect(await receiveShard(folder.path, { ...order, offset: 4000 }, pieces(content.subarray(4000)))).toEqual({
      ok: true,
      bytes: 10_000,
    })
    expect(readFileSync(path.join(folder.path, 'k.safetensors'))).toEqual(content)
  })

  test('a hash may follow the bytes, also over several pieces', async () => {
    using folder = temporaryFolder()
    const input = Buffer.concat([content, Buffer.from(`${sha256}\n`)])
    for (const size of [1, 7, 10_020, 20_000]) {
      const key = `k${size}`
      expect(await receiveShard(folder.path, { ...order, key, sha256: '-' }, pieces(input, size))).toEqual({
        ok: true,
        bytes: 10_000,
      })
      expect(readFileSync(path.join(folder.path, `${key}.safetensors`))).toEqual(content)
    }
    expect(await receiveShard(folder.path, { ...order, sha256: '-' }, pieces(content))).toMatchObject({
      ok: false,
      bytes: 10_000,
      code: 'shard_failed',
    })
    expect(
      await receiveShard(folder.path, { ...order, sha256: '-', offset: 10_000 }, pieces(Buffer.from(`${sha256}\n`))),
    ).toEqual({ ok: true, bytes: 10_000 })
  })

  test('a changed byte, in what arrives or in what was there, is noticed and nothing stays', async () => {
    using folder = temporaryFolder()
    const changed = Buffer.from(content)
    changed[77]! ^= 1
    expect(await receiveShard(folder.path, order, pieces(changed))).toMatchObject({
      ok: false,
      bytes: 0,
      code: 'shard_corrupt',
    })
    writeFileSync(path.join(folder.path, 'k.partial'), changed.subarray(0, 5000))
    expect(await receiveShard(folder.path, { ...order, offset: 5000 }, pieces(content.subarray(5000)))).toMatchObject({
      ok: false,
      bytes: 0,
      code: 'shard_corrupt',
    })
    expect((await openShards(folder.path).have(['k'])).shards[0]).toMatchObject({ complete: false, bytes: 0 })
  })

  test('more bytes than announced are refused', async () => {
    using folder = temporaryFolder()
    expect(await receiveShard(folder.path, order, pieces(Buffer.concat([content, content])))).toMatchObject({
      ok: false,
      code: 'shard_failed',
    })
    expect(existsSync(path.join(folder.path, 'k.safetensors'))).toBe(false)
  })

  test('a shard that the disk cannot hold is refused before a byte is read', async () => {
    using folder = temporaryFolder()
    const receipt = await receiveShard(folder.path, { ...order, bytes: 2 ** 52 }, pieces(content))
    expect(receipt).toMatchObject({ ok: false, bytes: 0, code: 'no_space' })
    expect(existsSync(path.join(folder.path, 'k.partial'))).toBe(false)
  })

  test('keys that lead out of the folder are refused', async () => {
    using folder = temporaryFolder()
    for (const key of ['../k', 'a/b', '.hidden', '-x', '', 'k\n', 'a'.repeat(200)]) {
      expect(await receiveShard(folder.path, { ...order, key }, pieces(content))).toMatchObject({
        ok: false,
        code: 'bad_request',
      })
    }
  })

  test('the command prints one JSON line and its status says whether it went well', async () => {
    using folder = temporaryFolder()
    const args = ['put', '--folder', folder.path, '--key', 'k', '--bytes', '10000', '--sha256', '-']
    const cut = await runWorkerCommand([...args, '--offset', '0'], content.subarray(0, 1234))
    expect([cut.code, JSON.parse(cut.stdout)]).toMatchObject([1, { ok: false, bytes: 1234, code: 'shard_failed' }])
    const rest = await runWorkerCommand(
      [...args, '--offset', '1234'],
      Buffer.concat([content.subarray(1234), Buffer.from(`${sha256}\n`)]),
    )
    expect([rest.code, rest.stdout]).toEqual([0, '{"ok":true,"bytes":10000}\n'])
    const wrong = await runWorkerCommand(['put', '--folder', folder.path])
    expect([wrong.code, JSON.parse(wrong.stderr)]).toMatchObject([2, { code: 'usage', message: '--key is missing.' }])
  }, 20_000)

  test('listed by use, the longest unused first, and removed with what is partial', async () => {
    using folder = temporaryFolder()
    const store = openShards(folder.path)
    for (const key of ['a', 'b']) await receiveShard(folder.path, { ...order, key }, pieces(content))
    writeFileSync(path.join(folder.path, 'a.partial'), 'rest')
    await store.have(['b'])
    await new Promise((resolve) => setTimeout(resolve, 20)) // file times must differ
    await store.have(['a'])
    expect((await store.list()).map((shard) => shard.key)).toEqual(['b', 'a'])
    await store.remove('a')
    expect((await store.list()).map((shard) => shard.key)).toEqual(['b'])
    expect(existsSync(path.join(folder.path, 'a.partial'))).toBe(false)
  })
})
