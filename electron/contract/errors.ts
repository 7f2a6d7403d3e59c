/** Everything that can go wrong, as data: a code the program can act on, a sentence, and what to do about it. */
import * as z from 'zod/mini'

/** The closed union of codes. The renderer may translate by code; messages are never parsed. */
export const errorCode = z.enum([
  // any call
  'bad_request',
  'not_found',
  'unknown_method',
  'unauthorised',
  'too_large',
  'cancelled',
  'timeout',
  'internal',
  'app_away',
  // finding and reaching machines
  'scan_refused',
  'host_unresolved',
  'host_unreachable',
  'ssh_refused',
  'ssh_failed',
  'auth_failed',
  'key_unreadable',
  'host_key_unknown',
  'host_key_changed',
  'host_key_revoked',
  'question_unanswered',
  'machine_known',
  'machine_busy',
  'machine_unsupported',
  'machine_away',
  'probe_failed',
  // the worker on a machine
  'no_space',
  'worker_missing',
  'worker_corrupt',
  'worker_failed',
  'worker_version',
  'shard_corrupt',
  'shard_failed',
  // models
  'model_missing',
  'model_known',
  'model_in_use',
  'model_unsupported',
  'model_truncated',
  'model_tensor_missing',
  'model_config_mismatch',
  'model_unreadable',
  'model_tokenizer',
  'hub_unavailable',
  // planning and serving
  'plan_invalid',
  'plan_too_big',
  'device_missing',
  'name_taken',
  'deployment_failed',
  'deployment_not_ready',
  'engine_unavailable',
  'rank_lost',
  'rank_failed',
  'group_timeout',
  'group_auth',
  'comm_corrupt',
  'aborted',
  'weights_truncated',
  'weights_mismatch',
  'out_of_memory',
  'context_length_exceeded',
  // the app itself
  'port_in_use',
  'home_in_use',
  'store_failed',
  'not_running',
  'usage',
])
export type ErrorCode = z.infer<typeof errorCode>

/** An error as it crosses a process border. */
export const problem = z.object({ code: errorCode, message: z.string(), hint: z.string() })
export type Problem = z.infer<typeof problem>

/** The one error class of the app: throw it where the reason is known, with a hint a user can act on. */
export class LanyardError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  constructor(code: ErrorCode, message: string, hint = '', options?: ErrorOptions) {
    super(message, options)
    this.name = 'LanyardError'
    this.code = code
    this.hint = hint
  }
}

/** Any thrown value as a Problem: our own errors keep their code, others become `internal`. */
export function problemOf(error: unknown): Problem {
  if (error instanceof LanyardError) return { code: error.code, message: error.message, hint: error.hint }
  if (error instanceof Error) {
    const code = errorCode.safeParse((error as { code?: unknown }).code)
    return { code: code.success ? code.data : 'internal', message: error.message, hint: '' }
  }
  return { code: 'internal', message: String(error), hint: '' }
}

/** The way back: a Problem as an error to throw. */
export function errorOf(p: Problem): LanyardError {
  return new LanyardError(p.code, p.message, p.hint)
}
