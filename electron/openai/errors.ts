/** Errors as OpenAI's clients read them: a status, and a body with message, type, param and code, all four always. */
import type { ErrorCode, Problem } from '../contract/errors.ts'
import { LanyardError, problemOf } from '../contract/errors.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null }
}

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 408 | 429 | 500 | 503

/** A refusal with its place in the request. */
export class ApiError extends Error {
  readonly status: ErrorStatus
  readonly param: string | null
  readonly code: string | null
  /** seconds after which the client may try again */
  readonly retryAfter: number | null
  constructor(
    status: ErrorStatus,
    message: string,
    more: { param?: string | null; code?: string | null; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause })
    this.name = 'ApiError'
    this.status = status
    this.param = more.param ?? null
    this.code = more.code ?? null
    this.retryAfter = more.retryAfter ?? null
  }
}

/** What our own codes mean to a client; everything else is a 500 that will not get better by trying again. */
const statuses: Partial<Record<ErrorCode, { status: ErrorStatus; retryAfter?: number; code?: string }>> = {
  bad_request: { status: 400, code: 'invalid_value' },
  too_large: { status: 400 },
  context_length_exceeded: { status: 400 },
  not_found: { status: 404, code: 'model_not_found' },
  unauthorised: { status: 401, code: 'invalid_api_key' },
  timeout: { status: 503, retryAfter: 5 },
  machine_busy: { status: 429, retryAfter: 2 },
  deployment_not_ready: { status: 503, retryAfter: 5 },
  app_away: { status: 503, retryAfter: 5 },
  machine_away: { status: 503, retryAfter: 5 },
  rank_lost: { status: 503, retryAfter: 5 },
  rank_failed: { status: 503, retryAfter: 5 },
  group_timeout: { status: 503, retryAfter: 5 },
  deployment_failed: { status: 503, retryAfter: 5 },
  aborted: { status: 503, retryAfter: 5 },
}

function sentence({ message, hint }: Problem): string {
  return hint === '' ? message : `${message} ${hint}`
}

/** Any failure as an ApiError; `param` says which field of the request a problem of ours is about. */
export function apiErrorOf(error: unknown, param: string | null = null): ApiError {
  if (error instanceof ApiError) return error
  const found = problemOf(error)
  const known = statuses[found.code]
  // what an unforeseen error says may name files and addresses of this computer
  if (!known && !(error instanceof LanyardError))
    return new ApiError(500, 'Lanyard failed while answering. Its log says more.', { code: 'internal', cause: error })
  return new ApiError(known?.status ?? 500, sentence(found), {
    param: (known?.status ?? 500) < 500 ? param : null,
    code: known?.code ?? found.code,
    cause: error,
    ...(known?.retryAfter ? { retryAfter: known.retryAfter } : {}),
  })
}

export function errorBody(error: ApiError): ErrorBody {
  const type =
    error.status >= 500 ? 'server_error' : error.status === 429 ? 'rate_limit_error' : 'invalid_request_error'
  return { error: { message: error.message, type, param: error.param, code: error.code } }
}

/** Headers that tell clients when, and whether, to try again. */
export function errorHeaders(error: ApiError): Record<string, string> {
  if (error.retryAfter !== null) return { 'retry-after': String(error.retryAfter) }
  return error.status >= 500 ? { 'x-should-retry': 'false' } : {}
}
