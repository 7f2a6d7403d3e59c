/** The live state every client sees: the whole once, then changes. */
import * as z from 'zod/mini'
import { deployment } from './deployment.ts'
import { job, question } from './job.ts'
import { foundMachine, machine } from './machine.ts'
import { model } from './model.ts'

/** How the built-in model is used: answering when it is asked, stopped by the user, or taken out of the library. */
export const guideUse = z.enum(['on-demand', 'off', 'removed'])
export type GuideUse = z.infer<typeof guideUse>

export const guide = z.object({
  modelId: z.string(),
  modelName: z.string(),
  /** the name it answers under */
  name: z.string(),
  use: guideUse,
})
export type GuideState = z.infer<typeof guide>

export const appState = z.object({
  version: z.string(),
  machines: z.array(machine),
  found: z.array(foundMachine),
  discovery: z.object({ on: z.boolean(), note: z.string() }),
  models: z.array(model),
  /** the built-in model; null where its files are missing */
  guide: z.nullable(guide),
  deployments: z.array(deployment),
  jobs: z.array(job),
  questions: z.array(question),
  openai: z.object({ url: z.string(), listening: z.boolean() }),
})
export type AppState = z.infer<typeof appState>

/** immer's patch form: path from the root, `value` absent on remove. */
export const patch = z.object({
  op: z.enum(['add', 'remove', 'replace']),
  path: z.array(z.union([z.string(), z.number()])),
  value: z.optional(z.unknown()),
})
export type Patch = z.infer<typeof patch>

export const stateEvent = z.union([
  z.object({ kind: z.literal('whole'), revision: z.number(), state: appState }),
  z.object({ kind: z.literal('change'), revision: z.number(), patches: z.array(patch) }),
])
export type StateEvent = z.infer<typeof stateEvent>
