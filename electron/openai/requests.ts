/** Reading a request body: JSON, null counts as absent, and errors that name the field. */
import type { Context } from 'hono'
import * as z from 'zod/mini'
import { ApiError } from './errors.ts'

/** Members of a request in which null is a value: schemas are in them. */
const verbatim = ['response_format', 'structured_outputs', 'guided_json', 'tools']

type JsonObject = Record<string, unknown>

/** Drops members that are null, at every depth: to OpenAI's clients null is the same as absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (member === null ? [] : [[key, withoutNulls(member)]])),
  )
}

/** A path as OpenAI writes it: `messages[0].content`. */
function paramOf(path: readonly PropertyKey[]): string | null {
  if (path.length === 0) return null
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? String(part) : `.${String(part)}`))
    .join('')
}

const messages = z.locales.en().localeError

/** The body as a JSON object. Throws 400 for another content type, bad JSON, or something that is no object. */
export async function readBody(c: Context): Promise<JsonObject> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new ApiError(
      400,
      `The content type is ${type === '' ? 'missing' : `"${type}"`}: send JSON as application/json.`,
      { code: 'invalid_content_type' },
    )
  }
  const text = await c.req.text()
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new ApiError(400, `The request body is not JSON: ${(error as Error).message}.`, {
      code: 'invalid_json',
      cause: error,
    })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError(400, 'The request body is not a JSON object.', { code: 'invalid_json' })
  const whole = body as JsonObject
  const kept = verbatim.flatMap((name) => ((whole[name] ?? null) === null ? [] : [[name, whole[name]] as const]))
  return { ...(withoutNulls(whole) as JsonObject), ...Object.fromEntries(kept) }
}

/** Throws 400 with the first wrong field as `param`. */
export function parseBody<S extends z.ZodMiniType>(schema: S, body: JsonObject): z.output<S> {
  const result = schema.safeParse(body, { error: messages })
  if (result.success) return result.data
  let issue = result.error.issues[0]!
  const at: PropertyKey[] = [...issue.path]
  // of the alternatives of a union, the one that got furthest is the one that was meant
  while (issue.code === 'invalid_union') {
    const deepest = issue.errors
      .map((issues) => issues[0]!)
      .filter(Boolean)
      .sort((a, b) => b.path.length - a.path.length)[0]
    if (!deepest || deepest.path.length === 0) break
    at.push(...deepest.path)
    issue = deepest
  }
  const param = paramOf(at)
  const missing = issue.code === 'invalid_type' && valueAt(body, at) === undefined
  const message = missing
    ? `Missing required parameter: '${param}'.`
    : `Invalid value${param === null ? '' : ` for '${param}'`}: ${issue.message}.`
  throw new ApiError(400, message, { param, code: missing ? 'missing_required_parameter' : 'invalid_value' })
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  )
}

/** Fields that are known but not supported: the value that means "off" for each, which is the only one accepted. */
export type Unsupported = Record<string, (value: unknown) => boolean>

export const never = (): boolean => false
export const only =
  (...off: unknown[]) =>
  (value: unknown): boolean =>
    off.includes(value)

/** A known field that cannot be honoured is refused by name, never ignored. */
export function refuse(body: JsonObject, unsupported: Unsupported): void {
  for (const [name, isOff] of Object.entries(unsupported)) {
    const value = body[name]
    if (value === undefined || isOff(value)) continue
    throw new ApiError(
      400,
      `'${name}' is not supported by this engine${typeof value === 'object' ? '' : ` with the value ${JSON.stringify(value)}`}.`,
      { param: name, code: 'unsupported_parameter' },
    )
  }
}
