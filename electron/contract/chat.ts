/** Chats kept in the store: threads of messages, each message a node with a parent (an edit is a branch). */
import * as z from 'zod/mini'
import { problem } from './errors.ts'

export const thread = z.object({
  id: z.string(),
  title: z.string(),
  /** served model name last used */
  model: z.nullable(z.string()),
  system: z.string(),
  /** the newest message of the branch shown */
  leafId: z.nullable(z.string()),
  createdAt: z.number(),
  updatedAt: z.number(),
})
export type Thread = z.infer<typeof thread>

export const messageStats = z.object({
  promptTokens: z.number(),
  tokens: z.number(),
  firstTokenMs: z.number(),
  tokensPerSecond: z.number(),
  model: z.string(),
})

export const message = z.object({
  id: z.string(),
  threadId: z.string(),
  parentId: z.nullable(z.string()),
  role: z.enum(['user', 'assistant']),
  text: z.string(),
  state: z.enum(['done', 'writing', 'stopped', 'failed']),
  stats: z.nullable(messageStats),
  problem: z.nullable(problem),
  createdAt: z.number(),
})
export type Message = z.infer<typeof message>

export const chatParameters = z.object({
  temperature: z.optional(z.number()),
  topP: z.optional(z.number()),
  maxTokens: z.optional(z.number()),
  seed: z.optional(z.number()),
  stop: z.optional(z.array(z.string())),
})
export type ChatParameters = z.infer<typeof chatParameters>

export const chatSend = z.object({
  threadId: z.string(),
  /** answer below this message; null starts the thread */
  parentId: z.nullable(z.string()),
  /** the user's text; null = answer `parentId` again (regenerate) */
  text: z.nullable(z.string()),
  model: z.string(),
  parameters: z._default(chatParameters, {}),
})

/** What `chat.send` streams. */
export const chatEvent = z.union([
  z.object({ kind: z.literal('started'), user: z.nullable(message), assistant: message }),
  z.object({ kind: z.literal('waiting'), queued: z.number(), promptDone: z.number(), promptTotal: z.number() }),
  z.object({ kind: z.literal('text'), delta: z.string() }),
  z.object({ kind: z.literal('ended'), assistant: message }),
])
export type ChatEvent = z.infer<typeof chatEvent>
