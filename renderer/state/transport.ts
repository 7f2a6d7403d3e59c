/**
 * How this window reaches the app: a MessagePort handed over by preload, or a WebSocket to the server it came from.
 * This is the renderer's only question about where it runs.
 */
import type { MessageChannelLike } from '../../electron/contract/rpc/message-transport.ts'
import { portChannel, webSocketChannel } from '../../electron/contract/rpc/message-transport.ts'

export interface Transport {
  kind: 'window' | 'browser'
  /** a new connection; rejects with `Unpaired` when this browser has to be paired first */
  open(): Promise<MessageChannelLike>
}

/** This browser holds no valid pairing cookie. */
export class Unpaired extends Error {}

const openTimeoutMs = 8000
const portMessage = 'lanyard-port'
/** asks preload for a port, in case it posted the first one before anybody listened */
const portRequest = 'lanyard-port-please'

export function windowTransport(): Transport {
  return {
    kind: 'window',
    open: () =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          removeEventListener('message', take)
          reject(new Error('The app handed over no port.'))
        }, openTimeoutMs)
        const take = (event: MessageEvent): void => {
          const port = event.ports[0]
          if (event.source !== window || event.data !== portMessage || !port) return
          clearTimeout(timer)
          removeEventListener('message', take)
          resolve(portChannel(port))
        }
        addEventListener('message', take)
        window.postMessage(portRequest, location.origin === 'null' ? '*' : location.origin)
      }),
  }
}

/** WebSocket to `rpc` beside this page. A refused upgrade cannot be told apart from a dead server, so it is asked by HTTP. */
export function browserTransport(): Transport {
  return {
    kind: 'browser',
    open: async () => {
      const url = new URL('/rpc', location.href)
      url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
      const socket = new WebSocket(url)
      const opened = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => {
          socket.close()
          resolve(false)
        }, openTimeoutMs)
        socket.addEventListener(
          'open',
          () => {
            clearTimeout(timer)
            resolve(true)
          },
          { once: true },
        )
        socket.addEventListener(
          'error',
          () => {
            clearTimeout(timer)
            resolve(false)
          },
          { once: true },
        )
      })
      if (opened) return webSocketChannel(socket)
      const status = await fetch('/session', { credentials: 'same-origin', cache: 'no-store' }).then(
        (r) => r.status,
        () => 0,
      )
      if (status === 401) throw new Unpaired('This browser is not paired.')
      throw new Error('The app does not answer.')
    },
  }
}

export function pickTransport(): Transport {
  return location.protocol === 'http:' || location.protocol === 'https:' ? browserTransport() : windowTransport()
}

/** The one-time code in what was pasted: a whole URL (`…?code=X`, `…#code=X`, `token` too) or the bare code. */
export function codeFrom(pasted: string): string {
  const match = /[?#&](?:code|token)=([^&#\s]+)/.exec(pasted)
  return match?.[1] ? decodeURIComponent(match[1]) : pasted.trim()
}

/** Trades the one-time code for a cookie. False when the app refuses it. */
export async function pair(code: string): Promise<boolean> {
  const response = await fetch('/pair', {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code }),
  })
  return response.ok
}
