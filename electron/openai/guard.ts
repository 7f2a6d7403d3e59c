/** Who may talk to the port: Host and Origin first (a web page must not reach it through the browser), then the key. */
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Context, MiddlewareHandler } from 'hono'
import type { ApiKey } from './api-keys.ts'
import { presentedKey } from './api-keys.ts'
import { ApiError } from './errors.ts'

export interface GuardOptions {
  /** null = loopback only */
  host: string | null
  keys(): readonly ApiKey[]
  /** web pages (origins) that may call the port */
  origins(): readonly string[]
}

/** Host name of a Host header or origin: lower case, without port and brackets; null for none. */
function nameIn(host: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:/?#@\s]+)(:\d+)?$/.exec(host)
  return match ? match[1]!.replace(/^\[|\]$/g, '').toLowerCase() : null
}

/**
 * Exact names, no suffix rules: a name that an attacker's DNS points here is not among them. Beyond loopback any
 * address literal counts as well (port forwarding; DNS cannot forge one), and a key is required there anyway.
 */
export function hostAllowed(host: string | undefined, bound: string | null): boolean {
  const name = nameIn(host ?? '')
  if (name === null) return false
  if (name === 'localhost' || name === '127.0.0.1' || name === '::1') return true
  if (bound === null) return false
  const own = hostname().toLowerCase()
  return isIP(name) !== 0 || name === bound.toLowerCase() || name === own || name === `${own}.local`
}

/** Requests without an Origin are no web pages. The port's own origin and the listed ones may call. */
export function originAllowed(
  origin: string | undefined,
  host: string | undefined,
  listed: readonly string[],
): boolean {
  return origin === undefined || listed.includes(origin) || origin === `http://${host}`
}

const methods = 'GET, HEAD, POST, OPTIONS'
const allowedHeaders = 'authorization, content-type'

/** Answers preflights, refuses strangers, adds CORS headers for listed origins only. */
export function guard(options: GuardOptions): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header('host')
    const origin = c.req.header('origin')
    if (!hostAllowed(host, options.host))
      throw new ApiError(403, 'This server does not answer to that host name.', { code: 'host_not_allowed' })
    if (!originAllowed(origin, host, options.origins())) {
      throw new ApiError(
        403,
        'Web pages of this origin may not call Lanyard. Add the origin in the API settings to allow it.',
        { code: 'origin_not_allowed' },
      )
    }
    if (origin !== undefined) {
      c.header('access-control-allow-origin', origin)
      c.header('access-control-expose-headers', 'x-request-id, retry-after')
    }
    c.header('vary', 'Origin')
    if (c.req.method === 'OPTIONS') return preflight(c, origin !== undefined)
    const keys = options.keys()
    if (keys.length > 0 && c.req.path !== '/health' && presentedKey(c.req.header('authorization'), keys) === null) {
      const given = c.req.header('authorization') !== undefined
      throw new ApiError(
        401,
        given ? 'This API key is not known.' : 'An API key is required: send it as "Authorization: Bearer KEY".',
        { code: 'invalid_api_key' },
      )
    }
    await next()
    return undefined
  }
}

function preflight(c: Context, page: boolean): Response {
  c.header('allow', methods)
  if (page) {
    c.header('access-control-allow-methods', methods)
    c.header('access-control-allow-headers', c.req.header('access-control-request-headers') ?? allowedHeaders)
    c.header('access-control-max-age', '600')
  }
  return c.body(null, 204)
}
