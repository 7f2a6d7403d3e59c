/** The ranks of this machine: who runs, what their streams carry, and how they end. */
import { errorOf, LanyardError } from '../../contract/errors.ts'
import { type EngineSpec, extentsOf } from '../../contract/engine.ts'
import type { GenerateRequest, RankEvent, SchedulerStats, StepEvent } from '../../contract/worker.ts'
import type { Bundle } from '../bundle.ts'
import type { CpuSpeed, GroupOrder, RankProblem } from './messages.ts'
import { exitProblem, startRankProcess } from './rank-process.ts'
import type { RankProcess } from './rank-process.ts'
import { createSeat } from './seat.ts'
import type { Seat } from './seat.ts'
import { createTokenRecord } from './token-record.ts'
import type { TokenRecord } from './token-record.ts'

export interface RunningRank {
  deploymentId: string
  rank: number
  pid: number
  state: 'started' | 'loading' | 'ready'
  startedAt: number
}

export interface Ranks {
  /** An older epoch of the same rank is stopped first; the same one again is refused. */
  start(input: GroupOrder & { deploymentId: string }): Promise<{ pid: number; port: number }>
  /**
   * The first call makes the rank join and load; a later one (a client that came back) only listens. The latest state
   * comes first. Resolves after `ended`.
   */
  run(
    input: { deploymentId: string; rank: number; peers: { host: string; port: number }[]; spec: EngineSpec },
    send: (event: RankEvent) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** Resolves when the process is gone; a rank that is not there is already stopped. */
  stop(deploymentId: string, rank: number): Promise<void>
  stopAll(): Promise<void>
  list(): RunningRank[]
  /** files that running ranks read */
  filesInUse(): Set<string>
  submit(request: GenerateRequest): Promise<void>
  abort(deploymentId: string, requestId: string): Promise<void>
  vocabulary(deploymentId: string, tokens: { bytes: Uint8Array; ends: Uint8Array }): Promise<void>
  steps(
    input: { deploymentId: string; received?: Record<string, number> | undefined },
    send: (event: StepEvent) => void,
    signal: AbortSignal,
  ): Promise<void>
  stats(deploymentId: string): Promise<SchedulerStats>
}

type Say = (level: 'info' | 'warn' | 'error', source: string, text: string) => void

interface Entry extends RunningRank {
  epoch: number
  process: RankProcess
  events: Seat<RankEvent>
  steps: Seat<StepEvent>
  record: TokenRecord
  /** what a client that comes back is told first */
  latest: RankEvent | null
  files: string[]
  ended: Promise<void>
  over: { problem: RankProblem | null } | null
}

/** Ended ranks that are remembered, so that a client that comes back learns why. */
const keptEnded = 32

export function createRanks(bundle: Bundle, say: Say, now: () => number = Date.now): Ranks {
  const entries = new Map<string, Entry>()
  const keyOf = (deploymentId: string, rank: number): string => `${rank} ${deploymentId}`

  function begin({ deploymentId, rank, epoch }: GroupOrder & { deploymentId: string }): Entry {
    const source = `rank ${rank}`
    const process = startRankProcess(bundle, {
      line: (text) => say('info', source, text),
      message(message) {
        if (message.kind === 'step') {
          entry.record.add(message.event)
          entry.steps.send(message.event)
        } else if (message.kind !== 'failed') {
          if (message.kind === 'ready') entry.state = 'ready'
          entry.latest = message
          entry.events.send(message)
        }
      },
    })
    const entry: Entry = {
      deploymentId,
      rank,
      epoch,
      pid: process.pid,
      state: 'started',
      startedAt: now(),
      process,
      events: createSeat(),
      steps: createSeat(),
      record: createTokenRecord(),
      latest: null,
      files: [],
      over: null,
      ended: process.exited.then((exit) => {
        const problem = exitProblem(rank, process.pid, exit)
        say(problem ? 'error' : 'info', source, problem ? problem.message : `process ${process.pid} ended`)
        entry.over = { problem }
        entry.latest = { kind: 'ended', problem }
        entry.steps.send(entry.record.endAll(problem ? 'failed' : 'aborted', problem))
        entry.events.send(entry.latest)
        entry.events.end()
        entry.steps.end(problem ? errorOf(problem) : undefined)
        const gone = [...entries].filter(([, other]) => other.over)
        for (const [key] of gone.slice(0, Math.max(gone.length - keptEnded, 0))) entries.delete(key)
      }),
    }
    return entry
  }

  function find(deploymentId: string, rank: number): Entry {
    const entry = entries.get(keyOf(deploymentId, rank))
    if (!entry)
      throw new LanyardError(
        'not_found',
        `Rank ${rank} of this deployment is not on this machine.`,
        'Start the deployment again.',
      )
    return entry
  }

  /** Rank 0, living; throws what ended it otherwise. */
  function serving(deploymentId: string): Entry {
    const entry = find(deploymentId, 0)
    if (entry.over?.problem) throw errorOf(entry.over.problem)
    if (entry.over || entry.state !== 'ready') {
      throw new LanyardError(
        'deployment_not_ready',
        entry.over ? 'The deployment was stopped.' : 'The deployment is still loading.',
        'Try again when it is ready.',
      )
    }
    return entry
  }

  const ranks: Ranks = {
    async start(input) {
      const key = keyOf(input.deploymentId, input.rank)
      if (Buffer.from(input.key, 'base64').length !== 32)
        throw new LanyardError('bad_request', 'The key of the group is not 32 bytes.')
      const old = entries.get(key)
      if (old && !old.over) {
        if (input.epoch <= old.epoch)
          throw new LanyardError(
            'bad_request',
            `Rank ${input.rank} of this deployment runs already (process ${old.pid}).`,
            'Stop it first.',
          )
        await ranks.stop(input.deploymentId, input.rank)
      }
      const entry = begin(input)
      // Last in the map is last ended: see the clean-up in begin.
      entries.delete(key)
      entries.set(key, entry)
      say('info', `rank ${input.rank}`, `process ${entry.pid} started for deployment ${input.deploymentId}`)
      try {
        const { port } = await entry.process.ask({ kind: 'group', options: input })
        return { pid: entry.pid, port }
      } catch (error) {
        await entry.process.stop()
        await entry.ended
        entries.delete(key)
        throw error
      }
    },

    async run({ deploymentId, rank, peers, spec }, send, signal) {
      const entry = find(deploymentId, rank)
      if (entry.over) {
        send({ kind: 'ended', problem: entry.over.problem })
        return
      }
      const listening = entry.events.take(send, signal)
      if (entry.latest) send(entry.latest)
      if (entry.state === 'started') {
        entry.state = 'loading'
        entry.files = [...new Set(spec.tensors.flatMap((tensor) => extentsOf(tensor).map((extent) => extent.file)))]
        // A failure arrives as the end of the process.
        entry.process
          .ask({ kind: 'run', peers, spec })
          .catch((error: unknown) => say('warn', `rank ${rank}`, String(error)))
      }
      await listening
    },

    async stop(deploymentId, rank) {
      const entry = entries.get(keyOf(deploymentId, rank))
      if (!entry) return
      await entry.process.stop()
      await entry.ended
      if (entries.get(keyOf(deploymentId, rank)) === entry) entries.delete(keyOf(deploymentId, rank))
    },

    async stopAll() {
      await Promise.all([...entries.values()].map((entry) => ranks.stop(entry.deploymentId, entry.rank)))
    },

    list: () =>
      [...entries.values()]
        .filter((entry) => !entry.over)
        .map(({ deploymentId, rank, pid, state, startedAt }) => ({ deploymentId, rank, pid, state, startedAt })),

    filesInUse: () => new Set([...entries.values()].filter((entry) => !entry.over).flatMap((entry) => entry.files)),

    async submit(request) {
      const entry = serving(request.deploymentId)
      entry.record.open(request.requestId)
      try {
        await entry.process.ask({ kind: 'submit', request })
      } catch (error) {
        entry.record.forget(request.requestId)
        throw error
      }
    },

    async abort(deploymentId, requestId) {
      const entry = find(deploymentId, 0)
      if (!entry.over) await entry.process.ask({ kind: 'abort', requestId })
    },

    async vocabulary(deploymentId, tokens) {
      await serving(deploymentId).process.ask({ kind: 'vocabulary', ...tokens })
    },

    async steps({ deploymentId, received }, send, signal) {
      const entry = find(deploymentId, 0)
      if (received && Object.keys(received).length > 0) send(entry.record.since(received))
      if (entry.over?.problem) throw errorOf(entry.over.problem)
      if (!entry.over) await entry.steps.take(send, signal)
    },

    stats: (deploymentId) => serving(deploymentId).process.ask({ kind: 'stats' }),
  }
  return ranks
}

/** Measures this CPU in a process of its own: engine code never runs in the worker's. */
export async function measureCpu(bundle: Bundle, threads: number, line: (text: string) => void): Promise<CpuSpeed> {
  const process = startRankProcess(bundle, { line, message: () => undefined })
  try {
    return await process.ask({ kind: 'measure', threads }, 60_000)
  } finally {
    await process.stop()
  }
}
