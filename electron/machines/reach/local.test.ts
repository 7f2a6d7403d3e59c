import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { reachThisComputer } from './local.ts'
import { runScript } from './reach.ts'

test('a program gets its words and its input and gives status and output', async () => {
  await using reach = reachThisComputer()
  const result = await runScript(reach, 'cat; printf "%s|" "$@"; echo bad >&2; exit 3', ['a b', '$x', ''], {
    stdin: 'in|',
  })
  expect(result).toEqual({ code: 3, stdout: 'in|a b|$x||', stderr: 'bad\n' })
})

test('input may be a stream, and a program that does not read all of it is judged by its status', async () => {
  await using reach = reachThisComputer()
  const big = () => Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65536, 'x')))
  expect((await reach.exec(['wc', '-c'], { stdin: big() })).stdout.trim()).toBe(String(64 * 65536))
  expect((await reach.exec(['head', '-c', '1'], { stdin: big() })).stdout).toBe('x')
})

test('output, time and patience have limits', async () => {
  await using reach = reachThisComputer()
  await expect(reach.exec(['cat', '/dev/zero'], { limit: 1000 })).rejects.toMatchObject({ code: 'too_large' })
  await expect(reach.exec(['sleep', '60'], { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' })
  const abort = new AbortController()
  const running = reach.exec(['sleep', '60'], { signal: abort.signal })
  abort.abort()
  await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  await expect(reach.exec(['sleep', '60'], { signal: abort.signal })).rejects.toMatchObject({ code: 'cancelled' })
})

test('a program ended by a signal has the status that shells give it, and a missing one is an error', async () => {
  await using reach = reachThisComputer()
  expect((await runScript(reach, 'kill -9 $$')).code).toBe(137)
  await expect(reach.exec(['/nothing/here'])).rejects.toMatchObject({ code: 'not_found' })
})

test('a channel carries bytes both ways and tells how it ended', async () => {
  await using reach = reachThisComputer()
  const { stream, ended } = await reach.channel(['sh', '-c', 'cat; echo last words >&2; exit 4'])
  stream.end('hello')
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).toString()).toBe('hello')
  expect(await ended).toEqual({ code: 4, stderr: 'last words\n' })
})

test('nothing is started after closing', async () => {
  const reach = reachThisComputer()
  await reach.close()
  await reach.closed
  await expect(reach.exec(['true'])).rejects.toMatchObject({ code: 'machine_away' })
})
