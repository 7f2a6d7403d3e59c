/** The contract's procedures, each led to the service that does it. */
import type { LiveState } from './app-state.ts'
import type { AppContract } from './contract/app.ts'
import type { Handlers, OutputOf } from './contract/rpc/contract.ts'
import { runChecks } from './doctor.ts'
import type { Guide } from './guide.ts'
import type { Jobs, Questions } from './jobs.ts'
import type { Finder, Fleet } from './machines/machines.ts'
import type { ModelLibrary } from './model-library.ts'
import type { History, Log } from './monitoring/monitoring.ts'
import type { Planner } from './planner.ts'
import type { Chats } from './serving/chats.ts'

export interface Services {
  state: LiveState
  jobs: Jobs
  questions: Questions
  fleet: Fleet
  finder: Finder
  library: ModelLibrary
  planner: Planner
  guide: Guide
  chats: Chats
  history: History
  log: Log
  info(): OutputOf<AppContract['app.info']>
  stop(): void
}

export function createHandlers(services: Services): Handlers<AppContract> {
  const { state, jobs, questions, fleet, finder, library, planner, guide, chats, history, log } = services
  return {
    'app.info': () => services.info(),
    'app.stop': () => {
      // The answer goes out first.
      setTimeout(services.stop, 50)
      return {}
    },
    'app.doctor': async () => ({ checks: await runChecks(state.get()) }),
    'state.watch': async (_input, send, { signal }) => {
      await state.watch(send, signal)
      return {}
    },
    'question.answer': (answer) => {
      questions.answer(answer)
      return {}
    },
    'job.cancel': ({ jobId }) => {
      jobs.cancel(jobId)
      return {}
    },

    'machine.add': (request) => ({ jobId: fleet.add(request).id }),
    'machine.addAndWait': (request) => fleet.add(request).result,
    'machine.probe': ({ name }) => fleet.probe(name),
    'machine.rename': ({ name, to }) => {
      fleet.rename(name, to)
      return {}
    },
    'machine.connect': ({ name }) => fleet.connect(name),
    'machine.remove': async ({ name, forget }) => {
      await fleet.remove(name, forget)
      return {}
    },
    'machine.scan': ({ subnet }) => finder.scan({ subnet }),

    // The built-in model is added by its name: its folder is the app's own business.
    'model.add': ({ source, name }) => (guide.is(source) ? guide.restore() : library.add(source, name)),
    'model.remove': async ({ name }) => {
      if (guide.is(name)) await guide.remove()
      else library.remove(name)
      return {}
    },

    'plan.make': async (request) => (await planner.prepare(request)).plan,
    'deployment.start': async (request) => ({ name: (await guide.start(request)).name }),
    'deployment.startAndWait': async (request) => await (await guide.start(request)).ended,
    'deployment.stop': async ({ name }) => {
      await guide.stop(name)
      return {}
    },

    ...chats.handlers,

    'monitor.watch': async (_input, send, { signal }) => {
      await history.watch(send, signal)
      return {}
    },
    'log.tail': ({ source, lines }) => ({ lines: log.tail(source, lines) }),
  }
}
