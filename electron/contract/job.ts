/** Long work (installing, sending shards, loading) and questions to the user: both are state, so closing a window loses nothing. */
import * as z from 'zod/mini'
import { problem } from './errors.ts'

export const stepState = z.enum(['pending', 'running', 'done', 'failed', 'skipped'])

export const jobStep = z.object({
  id: z.string(),
  label: z.string(),
  state: stepState,
  /** what happened, in a sentence */
  detail: z.string(),
  bytes: z.number(),
  bytesTotal: z.number(),
  startedAt: z.nullable(z.number()),
  endedAt: z.nullable(z.number()),
})
export type JobStep = z.infer<typeof jobStep>

export const job = z.object({
  id: z.string(),
  kind: z.enum(['add-machine', 'remove-machine', 'scan', 'add-model', 'deploy']),
  title: z.string(),
  /** the machine, model or deployment it is about */
  subject: z.nullable(z.string()),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  steps: z.array(jobStep),
  problem: z.nullable(problem),
  startedAt: z.number(),
  endedAt: z.nullable(z.number()),
})
export type Job = z.infer<typeof job>

export const question = z.object({
  id: z.string(),
  kind: z.enum(['host-key', 'password', 'passphrase']),
  /** user@host:port, or the key file */
  about: z.string(),
  jobId: z.nullable(z.string()),
  /** host-key: what to compare */
  hostKey: z.nullable(z.object({ type: z.string(), fingerprint: z.string() })),
  text: z.string(),
  askedAt: z.number(),
})
export type Question = z.infer<typeof question>

/** host-key: accept true or false (`remember` pins it); password: the text; null text = cancelled */
export const answer = z.object({
  id: z.string(),
  accept: z.boolean(),
  remember: z._default(z.boolean(), true),
  text: z._default(z.nullable(z.string()), null),
})
export type Answer = z.infer<typeof answer>
