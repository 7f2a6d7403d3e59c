/** The OpenAI-compatible port: one HTTP server in front of every deployment. */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { LanyardError } from '../contract/errors.ts'
import type { Served, ServedModels } from '../serving/served.ts'
import type { TextTools } from '../serving/text-tools.ts'
import type { ApiKey } from './api-keys.ts'
import { chatCompletions } from './chat.ts'
import { completions } from './completions.ts'
import { ApiError, apiErrorOf, errorBody, errorHeaders } from './errors.ts'
import type { ApiContext, Bindings, RequestUsage, Services } from './exchange.ts'
import { guard } from './guard.ts'
import { createMetrics } from './metrics.ts'
import type { EngineFigures } from './metrics.ts'
import { detokenize, embeddings, getModel, listModels, tokenize } from './models-and-tokens.ts'

export { type ApiKey, newApiKey } from './api-keys.ts'

/** What one request came to. No prompt and no answer is in it. */
export interface RequestReport extends RequestUsage {
  id: string
  method: string
  path: string
  status: number
  /** until the last byte */
  ms: number
}

export interface OpenAiOptions {
  served: ServedModels
  textOf(served: Served): TextTools | Promise<TextTools>
  /** null or absent = 127.0.0.1 and ::1; anything beyond loopback needs at least one key */
  host?: string | null
  /** 0 = any free port */
  port: number
  /** none = no key is asked for; read again for every request */
  apiKeys?: readonly ApiKey[]
  /** web pages (origins) that may call the port; read again for every request */
  origins?: readonly string[]
  version?: string
  /** what a deployment's engine counts; null where that is not known */
  engineStats?(model: string): EngineFigures | null
  /** most generations at once, over all requests; more get 429 */
  maxActive?: number
  onRequest?(report: RequestReport): void
  /** what went wrong inside, which the client is not told */
  onError?(error: unknown, requestId: string): void
}

export interface OpenAiServer {
  /** http://127.0.0.1:PORT/v1 */
  url: string
  port: number
  /** Ends all generations and connections. */
  close(): Promise<void>
}

/** Images travel inside requests: tens of MB are ordinary. */
const maxBodyBytes = 64 * 1024 * 1024

/** Without doubled and trailing slashes and with or without /v1, a route is the same route. */
export function normalPath(pathname: string): string {
  const plain = pathname.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  return plain.replace(/^(\/v1)+(?=\/|$)/, '') || '/'
}

type Handler = (c: ApiContext) => Response | Promise<Response>

function routes(options: OpenAiOptions, services: Services): Hono<Bindings> {
  const app = new Hono<Bindings>({ getPath: (request) => normalPath(new URL(request.url).pathname) })

  app.use(async (c, next) => {
    const begun = performance.now()
    const given = c.req.header('x-request-id') ?? ''
    const id = /^[\w.-]{1,128}$/.test(given) ? given : `req_${randomBytes(12).toString('hex')}`
    const usage: RequestUsage = { model: null, promptTokens: 0, completionTokens: 0, error: null }
    c.set('requestId', id)
    c.set('usage', usage)
    c.header('x-request-id', id)
    c.header('x-content-type-options', 'nosniff')
    const { outgoing } = c.env
    outgoing.once('close', () =>
      options.onRequest?.({
        id,
        method: c.req.method,
        path: c.req.path,
        status: outgoing.statusCode,
        ms: performance.now() - begun,
        ...usage,
      }),
    )
    await next()
  })
  app.use(
    guard({ host: boundHost(options.host), keys: () => options.apiKeys ?? [], origins: () => options.origins ?? [] }),
  )
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => {
        throw new ApiError(400, `The request body is larger than ${maxBodyBytes / 1024 / 1024} MB.`, {
          code: 'request_too_large',
        })
      },
    }),
  )

  const route = (method: 'GET' | 'POST', path: string, handler: Handler): void => {
    app.on(method, path, handler)
    app.all(path, (c) => {
      c.header('allow', method === 'GET' ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS')
      throw new ApiError(405, `${c.req.method} is not allowed here: use ${method}.`, { code: 'method_not_allowed' })
    })
  }
  route('GET', '/models', (c) => listModels(c, services))
  route('GET', '/models/:id{.+}', (c) => getModel(c, services, c.req.param('id') ?? ''))
  route('POST', '/chat/completions', (c) => chatCompletions(c, services))
  route('POST', '/completions', (c) => completions(c, services))
  route('POST', '/embeddings', (c) => embeddings(c, services))
  route('POST', '/tokenize', (c) => tokenize(c, services))
  route('POST', '/detokenize', (c) => detokenize(c, services))
  route('GET', '/health', (c) => c.body(null, services.closing.aborted ? 503 : 200))
  route('GET', '/ping', (c) => c.body(null, services.closing.aborted ? 503 : 200))
  route('GET', '/version', (c) => c.json({ version: options.version ?? '0.0.0' }))
  route('GET', '/metrics', (c) =>
    c.text(services.metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  )

  app.notFound((c) => {
    throw new ApiError(404, `There is no ${c.req.method} ${new URL(c.req.url).pathname}.`, { code: 'not_found' })
  })
  app.onError((error, c) => {
    const failure = apiErrorOf(error)
    const usage = c.get('usage')
    usage.error = failure.code ?? String(failure.status)
    if (failure.status >= 500) options.onError?.(error, c.get('requestId'))
    for (const [name, value] of Object.entries(errorHeaders(failure))) c.header(name, value)
    return c.json(errorBody(failure), failure.status)
  })
  return app
}

function boundHost(host: string | null | undefined): string | null {
  return host === undefined || host === null || ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host)
    ? null
    : host.replace(/^\[|\]$/g, '')
}

/**
 * Starts the port. Throws `port_in_use`, or `bad_request` for an address that this computer does not have, and for
 * one beyond loopback without an API key.
 */
export async function startOpenAiServer(options: OpenAiOptions): Promise<OpenAiServer> {
  const beyond = boundHost(options.host)
  if (beyond !== null && (options.apiKeys ?? []).length === 0) {
    throw new LanyardError(
      'bad_request',
      `Listening on ${beyond} lets other computers in, and no API key is set.`,
      'Make an API key first, or listen on this computer only.',
    )
  }
  const closing = new AbortController()
  const services: Services = {
    served: options.served,
    textOf: (served) => options.textOf(served),
    metrics: createMetrics((model) => options.engineStats?.(model) ?? null),
    maxActive: options.maxActive ?? 256,
    closing: closing.signal,
  }
  const app = routes(options, services)
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    // what is no request at all: a Host header or a target that is no URL
    errorHandler: () =>
      Response.json(
        errorBody(new ApiError(400, 'The request has no valid Host header or path.', { code: 'bad_request' })),
        {
          status: 400,
          headers: { 'x-request-id': `req_${randomBytes(12).toString('hex')}` },
        },
      ),
  })
  const servers = await listenAll(
    options.host === '::1'
      ? ['::1']
      : options.host === '127.0.0.1'
        ? ['127.0.0.1']
        : beyond === null
          ? ['127.0.0.1', '::1']
          : [beyond],
    options.port,
    () => {
      const server = createServer((incoming, outgoing) => {
        void listener(incoming, outgoing)
      })
      server.headersTimeout = 30_000
      return server
    },
  )
  const { address, port, family } = servers[0]!.address() as AddressInfo
  const shown = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address
  return {
    url: `http://${shown}:${port}/v1`,
    port,
    async close() {
      closing.abort()
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve())
              server.closeAllConnections()
            }),
        ),
      )
    },
  }
}

/** The same port on every host. IPv6 is left out where the computer has none. */
async function listenAll(hosts: readonly string[], port: number, create: () => Server): Promise<Server[]> {
  // a port that is free on one address may be taken on the other: with "any" port, try others
  for (let attempt = 1; ; attempt++) {
    const servers: Server[] = []
    try {
      let chosen = port
      for (const host of hosts) {
        const server = create()
        try {
          await listen(server, host, chosen)
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException
          if (servers.length > 0 && (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT')) continue
          throw error
        }
        servers.push(server)
        chosen = (server.address() as AddressInfo).port
      }
      return servers
    } catch (error) {
      await Promise.all(
        servers.map(
          (server) =>
            new Promise((resolve) => {
              server.close(resolve)
            }),
        ),
      )
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EADDRINUSE' && port === 0 && attempt < 10) continue
      if (code === 'EADDRINUSE') {
        throw new LanyardError(
          'port_in_use',
          `Port ${port} is in use by another program.`,
          'Choose another one with --openai-port, or stop that program.',
          { cause: error },
        )
      }
      if (code === 'EACCES')
        throw new LanyardError(
          'bad_request',
          `Port ${port} may not be opened by this user.`,
          'Choose a port above 1023.',
          { cause: error },
        )
      throw new LanyardError(
        'bad_request',
        `Listening on ${hosts.join(', ')} is not possible: ${(error as Error).message}.`,
        'Choose an address that this computer has.',
        { cause: error },
      )
    }
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: isIP(host) === 6 && host !== '::' }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
