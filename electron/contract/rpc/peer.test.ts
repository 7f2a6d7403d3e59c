import { PassThrough } from 'node:stream'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { MessageConnection } from 'vscode-jsonrpc'
import 'vscode-jsonrpc/node'
import * as z from 'zod/mini'
import { LanyardError } from '../errors.ts'
import { call, defineContract, stream } from './contract.ts'
import type { Handlers } from './contract.ts'
import { channelConnection, maxMessageSize, memoryPair, portChannel, webSocketChannel } from './message-transport.ts'
import { connect, serve } from './peer.ts'
import { streamConnection } from './stream-transport.ts'

const contract = defineContract({
  'number.double': call(z.object({ n: z.number() }), z.object({ n: z.number() })),
  'number.fail': call(z.object({}), z.object({})),
  'number.count': stream(z.object({ to: z.number() }), z.object({ n: z.number() }), z.object({ sent: z.number() })),
  'number.forever': stream(z.object({}), z.object({ n: z.number() }), z.object({})),
})

function handlers(seen: { cancelled: number }): Handlers<typeof contract> {
  return {
    'number.double': ({ n }) => ({ n: n * 2 }),
    'number.fail': () => {
      throw new LanyardError('host_unreachable', 'gpu-2 does not answer.', 'Is it on?')
    },
    'number.count': async ({ to }, send) => {
      for (let n = 0; n < to; n++) send({ n })
      return { sent: to }
    },
    'number.forever': (_input, send, { signal }) =>
      new Promise((resolve) => {
        send({ n: 0 })
        signal.addEventListener('abort', () => {
          seen.cancelled++
          resolve({})
        })
      }),
  }
}

interface Pair {
  server: MessageConnection
  client: MessageConnection
  end(): void
}

const transports: Record<string, () => Promise<Pair>> = {
  'an in-memory pair': async () => {
    const [a, b] = memoryPair()
    return { server: channelConnection(a), client: channelConnection(b), end: () => undefined }
  },
  'a MessagePort': async () => {
    const { port1, port2 } = new MessageChannel()
    return {
      server: channelConnection(portChannel(port1)),
      client: channelConnection(portChannel(port2)),
      end: () => port1.close(),
    }
  },
  'a WebSocket': async () => {
    const listening = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await new Promise((resolve) => listening.once('listening', resolve))
    const address = listening.address() as { port: number }
    const accepted = new Promise<WebSocket>((resolve) => listening.once('connection', resolve))
    const socket = new WebSocket(`ws://127.0.0.1:${address.port}`)
    await new Promise((resolve) => socket.once('open', resolve))
    return {
      server: channelConnection(webSocketChannel(await accepted)),
      client: channelConnection(webSocketChannel(socket)),
      end: () => {
        socket.close()
        listening.close()
      },
    }
  },
  'a byte stream': async () => {
    const up = new PassThrough()
    const down = new PassThrough()
    return {
      server: streamConnection(up, down),
      client: streamConnection(down, up),
      end: () => {
        up.destroy()
        down.destroy()
      },
    }
  },
}

describe.each(Object.entries(transports))('the contract over %s', (_name, open) => {
  test('answers calls, streams items in order, and carries typed errors', async () => {
    const pair = await open()
    void serve(pair.server, contract, handlers({ cancelled: 0 }))
    const client = connect(pair.client, contract)
    expect(await client.call('number.double', { n: 21 })).toEqual({ n: 42 })
    const items: number[] = []
    expect(await client.stream('number.count', { to: 50 }, ({ n }) => items.push(n))).toEqual({ sent: 50 })
    expect(items).toEqual(Array.from({ length: 50 }, (_, i) => i))
    await expect(client.call('number.fail', {})).rejects.toMatchObject({
      code: 'host_unreachable',
      message: 'gpu-2 does not answer.',
      hint: 'Is it on?',
    })
    client.close()
    pair.end()
  })

  test('refuses bad input before any handler, and methods that do not exist', async () => {
    const pair = await open()
    void serve(pair.server, contract, handlers({ cancelled: 0 }))
    const client = connect(pair.client, { ...contract, 'number.toString': contract['number.fail'] })
    await expect(client.call('number.double', { n: 'x' as never })).rejects.toMatchObject({ code: 'bad_request' })
    await expect(client.call('number.toString', {})).rejects.toMatchObject({ code: 'unknown_method' })
    client.close()
    pair.end()
  })

  test('cancelling a stream tells its handler, and so does a lost connection', async () => {
    const pair = await open()
    const seen = { cancelled: 0 }
    void serve(pair.server, contract, handlers(seen))
    const client = connect(pair.client, contract)
    const stop = new AbortController()
    let first = (): void => undefined
    const started = new Promise<void>((resolve) => {
      first = resolve
    })
    const run = client.stream('number.forever', {}, () => first(), { signal: stop.signal })
    await started
    stop.abort()
    await run
    expect(seen.cancelled).toBe(1)
    const again = new Promise<void>((resolve) => {
      first = resolve
    })
    const second = client.stream('number.forever', {}, () => first()).catch((error: unknown) => error)
    await again
    client.close()
    expect(await second).toMatchObject({ code: 'app_away' })
    pair.end()
  })
})

test('a stream whose item is not what the contract says fails instead of waiting in silence', async () => {
  const [a, b] = memoryPair()
  const loose = { ...contract, 'number.forever': stream(z.object({}), z.unknown(), z.object({})) }
  void serve(channelConnection(a), loose, {
    ...handlers({ cancelled: 0 }),
    'number.forever': (_input, send) => {
      send({ n: 'one' })
      return new Promise(() => undefined)
    },
  })
  const client = connect(channelConnection(b), contract)
  await expect(client.stream('number.forever', {}, () => undefined)).rejects.toThrow(/number\.forever.* at n:/)
  client.close()
})

test('a message over the size limit closes the connection', async () => {
  const [a, b] = memoryPair()
  const closed = serve(channelConnection(a), contract, handlers({ cancelled: 0 }))
  b.post('x'.repeat(maxMessageSize + 1))
  await closed
})
