/** The contract between the app and its clients (window, browser, command line): every call and every stream. */
import * as z from 'zod/mini'
import { chatEvent, chatSend, message, thread } from './chat.ts'
import { deployment, serveRequest } from './deployment.ts'
import { answer } from './job.ts'
import { addMachine, hardware, machine, scanReport } from './machine.ts'
import { model } from './model.ts'
import { logLine, samples } from './monitor.ts'
import { plan, planRequest } from './plan.ts'
import { call, defineContract, stream } from './rpc/contract.ts'
import { stateEvent } from './state.ts'

const nothing = z.object({})
const byName = z.object({ name: z.string() })
const jobStarted = z.object({ jobId: z.string() })

export const appContract = defineContract({
  'app.info': call(
    nothing,
    z.object({
      version: z.string(),
      pid: z.number(),
      home: z.string(),
      uiUrl: z.nullable(z.string()),
      openaiUrl: z.string(),
      node: z.string(),
      startedAt: z.number(),
    }),
  ),
  'app.stop': call(nothing, nothing),
  /** checks, each with its fix */
  'app.doctor': call(
    nothing,
    z.object({
      checks: z.array(
        z.object({ name: z.string(), result: z.enum(['pass', 'warn', 'fail']), detail: z.string(), fix: z.string() }),
      ),
    }),
  ),
  'state.watch': stream(nothing, stateEvent, nothing),
  'question.answer': call(answer, nothing),
  'job.cancel': call(z.object({ jobId: z.string() }), nothing),

  /** starts the job; progress and questions are state */
  'machine.add': call(addMachine, jobStarted),
  /** the same, waiting for the end: for the command line */
  'machine.addAndWait': call(addMachine, machine),
  'machine.probe': call(byName, hardware),
  'machine.rename': call(z.object({ name: z.string(), to: z.string() }), nothing),
  'machine.connect': call(byName, machine),
  /** `forget` removes an unreachable machine from the list without cleaning it */
  'machine.remove': call(z.object({ name: z.string(), forget: z._default(z.boolean(), false) }), nothing),
  'machine.scan': call(z.object({ subnet: z.optional(z.string()) }), scanReport),

  'model.add': call(z.object({ source: z.string(), name: z.optional(z.string()) }), model),
  'model.remove': call(byName, nothing),

  'plan.make': call(planRequest, plan),
  'deployment.start': call(serveRequest, z.object({ name: z.string() })),
  /** the same, waiting until it serves or fails */
  'deployment.startAndWait': call(serveRequest, deployment),
  'deployment.stop': call(byName, nothing),

  'thread.list': call(nothing, z.object({ threads: z.array(thread) })),
  'thread.create': call(z.object({ model: z.nullable(z.string()) }), thread),
  'thread.open': call(z.object({ id: z.string() }), z.object({ thread, messages: z.array(message) })),
  'thread.change': call(
    z.object({
      id: z.string(),
      title: z.optional(z.string()),
      system: z.optional(z.string()),
      leafId: z.optional(z.string()),
    }),
    thread,
  ),
  'thread.delete': call(z.object({ id: z.string() }), nothing),
  'chat.send': stream(chatSend, chatEvent, nothing),

  /** one sample a second, the last 15 minutes first */
  'monitor.watch': stream(nothing, samples, nothing),
  'log.tail': call(
    z.object({ source: z.optional(z.string()), lines: z._default(z.number(), 200) }),
    z.object({ lines: z.array(logLine) }),
  ),
})
export type AppContract = typeof appContract
