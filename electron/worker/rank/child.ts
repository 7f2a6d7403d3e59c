/** The rank's own side: one process that drives one device of one deployment, and dies with its worker. */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import type { EngineSpec } from '../../contract/engine.ts'
import { LanyardError, problemOf } from '../../contract/errors.ts'
import { createGrammars } from '../grammar/grammars.ts'
import type { Engine, EngineAddon, Group } from './addon.ts'
import { loadEngine } from './engine.ts'
import type { FromRank, Numbered, Order } from './messages.ts'
import { rankProblem } from './problem.ts'
import { createServing } from './serving.ts'
import type { Serving } from './serving.ts'

/** Ranks are told to run one after the other, and a machine may be slow to read its orders. */
const connectMs = 60_000

/** Serves its parent's orders until told to stop; does not return. */
export async function runRank(): Promise<void> {
  if (!process.send) throw new LanyardError('usage', 'A rank is started by its worker only.')
  // Ctrl-C in a terminal reaches the whole group: the worker decides when a rank ends.
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  preferToBeKilled()

  let addon: EngineAddon | null = null
  let rank = 0
  let group: Group | null = null
  let engine: Engine | null = null
  let serving: Serving | null = null
  let stopping = false

  const say = (message: FromRank): Promise<void> => new Promise((resolve) => process.send!(message, () => resolve()))
  const leave = async (problem: unknown): Promise<void> => {
    if (problem !== null && !stopping) await say({ kind: 'failed', problem: rankProblem(problem, rank) })
    process.exit(problem === null || stopping ? 0 : 1)
  }
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`)
    void leave(error)
  })

  async function run(peers: { host: string; port: number }[], spec: EngineSpec): Promise<void> {
    try {
      await group!.connect(peers, connectMs)
      engine = await addon!.open(spec, group!, (done, total) => void say({ kind: 'loading', done, total }))
      const { weightBytes, kvBytes, workspaceBytes, kernels } = engine.stats()
      if (rank === 0)
        serving = createServing(
          engine,
          spec,
          (event) => void say({ kind: 'step', event }),
          (error) => rankProblem(error, rank),
          // The script that this process runs, as a thread: see worker.ts.
          (tokens) => createGrammars({ tokens, vocab: spec.decoder.vocab }, process.argv[1]!),
        )
      await say({ kind: 'ready', weightBytes, kvBytes, workspaceBytes, kernels })
      await (serving ? serving.done : engine.follow())
      // Followers come here when rank 0 has closed the group in good order.
      if (!stopping) await leave(null)
    } catch (error) {
      // Rank 0 ends a running step like this when it is stopped: nothing went wrong on the others.
      await leave(rank > 0 && problemOf(error).code === 'aborted' ? null : error)
    }
  }

  async function stop(): Promise<void> {
    stopping = true
    await serving?.stop()
    engine?.close()
    group?.close()
  }

  async function answer(order: Order): Promise<unknown> {
    switch (order.kind) {
      case 'group': {
        rank = order.options.rank
        addon = loadEngine()
        group = addon.createGroup({ ...order.options, key: Buffer.from(order.options.key, 'base64') })
        return { port: group.port }
      }
      case 'run':
        if (!group) throw new LanyardError('bad_request', 'The rank has no group yet.')
        void run(order.peers, order.spec)
        return null
      case 'submit':
        if (!serving) throw new LanyardError('deployment_not_ready', 'The deployment is still loading.')
        serving.submit(order.request)
        return null
      case 'abort':
        serving?.abort(order.requestId)
        return null
      case 'vocabulary': {
        if (!serving) throw new LanyardError('deployment_not_ready', 'The deployment is still loading.')
        const { bytes, ends } = order
        // A copy: the words of what came over the channel may lie at any address.
        serving.vocabulary({ bytes, ends: new Uint32Array(Uint8Array.from(ends).buffer) })
        return null
      }
      case 'stats':
        if (!serving) throw new LanyardError('deployment_not_ready', 'The deployment is still loading.')
        return serving.stats()
      case 'stop':
        await stop()
        return null
      case 'measure':
        return loadEngine().measureCpu(order.threads)
    }
  }

  process.on('message', (raw) => {
    const { id, order } = raw as Numbered
    answer(order)
      .then(
        (value) => say({ kind: 'reply', id, value, problem: null }),
        (error: unknown) => say({ kind: 'reply', id, value: null, problem: problemOf(error) }),
      )
      .then(
        () => {
          if (order.kind === 'stop') void leave(null)
        },
        () => undefined,
      )
  })
  await new Promise(() => undefined)
}

/** When memory runs out the system should end a rank, not the worker or the user's programs. */
function preferToBeKilled(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500')
  } catch {
    // Only Linux has it, and a container may forbid it: the system then chooses for itself.
  }
}
