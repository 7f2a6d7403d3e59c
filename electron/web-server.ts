/**
 * The loopback HTTP + WebSocket server: hands the renderer to a browser (headless) and the contract to browsers
 * and the command line. A browser pairs once with a code from the terminal; the command line brings the token
 * of `control.json`. Host and Origin are checked before anything else.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { LanyardError } from './contract/errors.ts'
import { maxMessageSize } from './contract/rpc/message-transport.ts'
import type { WebSocketLike } from './contract/rpc/message-transport.ts'
import { findUiFile } from './ui-files.ts'
import { contentSecurityPolicy } from './window-policy.ts'

export interface WebServerOptions {
  /** 0 = any free port */
  port: number
  /** folder of the built renderer; null serves the contract only */
  renderer: string | null
  /** the command line's bearer token */
  token: string
  onClient(socket: WebSocketLike): void
}

export interface WebServer {
  port: number
  /** a fresh address that signs one browser in, once; null without a renderer */
  pairingUrl(): string | null
  close(): Promise<void>
}

const cookieName = 'lanyard_session'
const codeLifeMs = 60 * 60 * 1000
/** what a wrong code costs, so that guessing 128 bits stays hopeless and logs stay readable */
const wrongCodeDelayMs = 500

export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const sessions = new Set<string>()
  const codes = new Map<string, number>()
  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  server.headersTimeout = 10_000
  const port = await listen(server, options.port)
  const hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`])

  const hostAllowed = (request: IncomingMessage): boolean => hosts.has(request.headers.host ?? '')
  const originAllowed = (request: IncomingMessage): boolean => {
    const { origin } = request.headers
    return origin === undefined || (origin.startsWith('http://') && hosts.has(origin.slice('http://'.length)))
  }
  const signedIn = (request: IncomingMessage): boolean => {
    const cookie = cookiesOf(request).get(cookieName)
    return cookie !== undefined && sessions.has(cookie)
  }
  const redeem = (code: string): string | null => {
    const expires = codes.get(code)
    codes.delete(code)
    if (expires === undefined || expires < Date.now()) return null
    const session = randomBytes(32).toString('base64url')
    sessions.add(session)
    return session
  }
  const cookieFor = (session: string): string => `${cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict`

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    if (!hostAllowed(request) || !originAllowed(request))
      return void response.writeHead(403).end('This address is not served to that page.')
    const url = new URL(request.url ?? '/', 'http://lanyard')
    if (request.method === 'POST' && url.pathname === '/pair') return pair(request, response)
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
    const code = url.searchParams.get('code')
    if (code !== null && url.pathname === '/') {
      // The code must not stay in the address bar or the history.
      const session = redeem(code)
      if (session === null && !signedIn(request)) await delay(wrongCodeDelayMs)
      response
        .writeHead(303, { location: '/', ...(session === null ? {} : { 'set-cookie': cookieFor(session) }) })
        .end()
      return
    }
    if (url.pathname === '/session') {
      response.writeHead(signedIn(request) ? 204 : 401).end()
      return
    }
    await serveFile(options.renderer, url.pathname, request.method === 'HEAD', response)
  }

  async function pair(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!(request.headers['content-type'] ?? '').startsWith('application/json'))
      return void response.writeHead(400).end()
    let text = ''
    for await (const chunk of request) {
      text += String(chunk)
      if (text.length > 1000) return void response.writeHead(400).end()
    }
    let code = ''
    try {
      const body = JSON.parse(text) as { code?: unknown }
      code = typeof body.code === 'string' ? body.code : ''
    } catch {
      return void response.writeHead(400).end()
    }
    // People paste the whole address as often as the code.
    const session = redeem(/[?&]code=([\w-]+)/.exec(code)?.[1] ?? code.trim())
    if (session === null) {
      await delay(wrongCodeDelayMs)
      return void response.writeHead(401).end()
    }
    response.writeHead(204, { 'set-cookie': cookieFor(session) }).end()
  }

  const webSockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageSize })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refuse = (status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
    if (!hostAllowed(request) || !originAllowed(request)) return refuse('403 Forbidden')
    if (new URL(request.url ?? '/', 'http://lanyard').pathname !== '/rpc') return refuse('404 Not Found')
    if (!signedIn(request) && !sameToken(request.headers.authorization, options.token))
      return refuse('401 Unauthorized')
    webSockets.handleUpgrade(request, socket, head, (webSocket) => options.onClient(webSocket as WebSocketLike))
  })

  return {
    port,
    pairingUrl() {
      if (options.renderer === null) return null
      const code = randomBytes(16).toString('base64url')
      for (const [old, expires] of codes) if (expires < Date.now()) codes.delete(old)
      codes.set(code, Date.now() + codeLifeMs)
      return `http://127.0.0.1:${port}/?code=${code}`
    },
    async close() {
      for (const client of webSockets.clients) client.terminate()
      webSockets.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const securityHeaders = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new LanyardError(
              'port_in_use',
              `Port ${port} on 127.0.0.1 is in use.`,
              'Choose another with --ui-port, or leave it out for any free one.',
              { cause: error },
            )
          : error,
      ),
    )
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

async function serveFile(
  root: string | null,
  path: string,
  headOnly: boolean,
  response: ServerResponse,
): Promise<void> {
  const file = root === null ? undefined : await findUiFile(root, path)
  if (!file) return void response.writeHead(404).end('Not found')
  response.writeHead(200, {
    'content-type': file.type,
    'cache-control': file.isImmutable ? 'public, max-age=31536000, immutable' : 'no-store',
  })
  if (headOnly) return void response.end()
  createReadStream(file.path)
    .on('error', () => response.destroy())
    .pipe(response)
}

function cookiesOf(request: IncomingMessage): Map<string, string> {
  return new Map(
    (request.headers.cookie ?? '').split(/;\s*/).map((part) => {
      const at = part.indexOf('=')
      return [part.slice(0, at), part.slice(at + 1)] as const
    }),
  )
}

function sameToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
