/**
 * One deployment on the native engine: send shards, start ranks, form the group, load, serve, stop.
 * Knows nothing of the list of deployments; it reports through `observer`.
 */
import { randomBytes } from 'node:crypto'
import type { EngineSpec, TensorSource } from '../contract/engine.ts'
import { errorCode, LanyardError, problemOf } from '../contract/errors.ts'
import type { Problem } from '../contract/errors.ts'
import type { RankStatus } from '../contract/deployment.ts'
import type { Plan, PlanRank } from '../contract/plan.ts'
import type { RankEvent, SchedulerStats } from '../contract/worker.ts'
import { chooseDataAddresses } from './data-addresses.ts'
import type { RankHost, Shard, SplittableModel } from './rank-host.ts'
import type { GenerateEvent, TokenRequest } from './served.ts'
import { createTokenRouter } from './token-router.ts'

/** Tokens one step may hold: long prompts are read in chunks of this, so that running answers keep moving. */
const maxStepTokens = 512
/** A rank that has not ended by itself by then is killed by its worker. */
const stopTimeoutMs = 15_000

export interface Observer {
  rank(rank: number, change: Partial<RankStatus>): void
  status(text: string): void
  /** a rank ended without being asked: the deployment is over */
  lost(problem: Problem): void
}

export interface NativeDeployment {
  generate(request: TokenRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>
  stats(): Promise<SchedulerStats>
  /** Ends every rank; resolves when they are gone or their machines do not answer. */
  stop(): Promise<void>
}

interface Watch {
  over: AbortSignal
  lost(problem: Problem): void
}

interface Seat {
  rank: PlanRank
  host: RankHost
  shard: Shard | null
  tensors: TensorSource[]
}

/**
 * Brings a plan to serving. `hosts` by machine id. Rejects with what failed first, after stopping every rank
 * that was started; aborting the signal does the same.
 */
export async function startNativeDeployment(
  id: string,
  plan: Plan,
  model: SplittableModel,
  hosts: Map<string, RankHost>,
  observer: Observer,
  signal: AbortSignal,
): Promise<NativeDeployment> {
  const seats = plan.ranks.map((rank) => seatOf(rank, model, hosts))
  const addresses = chooseDataAddresses(
    seats.map(({ host }) => ({
      machineId: host.machineId,
      name: host.name,
      interfaces: host.hardware.interfaces,
      address: host.address,
    })),
  )
  const over = new AbortController()
  const started: Seat[] = []
  /** what to do when a rank ends; while loading that is failing to start, afterwards it is losing the deployment */
  const watch: Watch = { over: over.signal, lost: () => undefined }
  const stopRanks = async (): Promise<void> => {
    over.abort()
    await Promise.all(
      started.map(({ rank, host }) =>
        host.worker.client.call('rank.stop', { deploymentId: id, rank: rank.rank }, { timeoutMs: stopTimeoutMs }).then(
          () => observer.rank(rank.rank, { state: 'stopped' }),
          () => undefined,
        ),
      ),
    )
  }

  try {
    observer.status('Sending shards')
    await sendShards(seats, observer, signal)

    observer.status('Starting ranks')
    const key = randomBytes(32).toString('base64')
    const peers = await Promise.all(
      seats.map(async (seat) => {
        signal.throwIfAborted()
        const { rank, host } = seat
        observer.rank(rank.rank, { state: 'starting' })
        const bind = addresses.get(host.machineId)!
        started.push(seat)
        const { pid, port } = await host.worker.client.call(
          'rank.start',
          {
            deploymentId: id,
            rank: rank.rank,
            size: seats.length,
            key,
            epoch: 1,
            bind: seats.length > 1 ? bind : '',
            wire: plan.wire,
          },
          { timeoutMs: 60_000 },
        )
        observer.rank(rank.rank, { state: 'joining', pid })
        return { host: bind, port }
      }),
    )
    signal.throwIfAborted()

    observer.status('Loading weights')
    await load(id, plan, model, seats, peers, observer, watch, signal)
  } catch (error) {
    await stopRanks()
    throw error
  }

  const first = seats[0]!.host.worker
  const router = createTokenRouter(id, {
    submit: async (request) => {
      if (request.grammar) {
        vocabulary ??= sendVocabulary()
        await vocabulary.catch((error: unknown) => {
          vocabulary = null
          throw error
        })
      }
      await first.client.call('request.submit', request)
    },
    abort: async (requestId) => {
      await first.client.call('request.abort', { deploymentId: id, requestId })
    },
  })
  /** Sent once, with the first request that needs it: it has megabytes. */
  let vocabulary: Promise<unknown> | null = null
  const sendVocabulary = (): Promise<unknown> => {
    const { bytes, ends } = model.tokens()
    const words = new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength)
    const base64 = (data: Uint8Array): string =>
      Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64')
    return first.client.call('deployment.vocabulary', {
      deploymentId: id,
      bytes: base64(bytes),
      ends: base64(words),
    })
  }
  watch.lost = (problem) => {
    if (over.signal.aborted) return
    router.fail(problem)
    observer.lost(problem)
    void stopRanks()
  }
  const steps = first.client.stream('deployment.steps', { deploymentId: id }, (event) => router.deliver(event), {
    signal: over.signal,
  })
  steps.then(
    () =>
      watch.lost({ code: 'rank_lost', message: 'Rank 0 stopped sending tokens.', hint: 'See the log of its machine.' }),
    (error: unknown) => watch.lost(problemOf(error)),
  )
  return {
    generate: (request, abort) => router.generate(request, abort),
    stats: () => first.client.call('deployment.stats', { deploymentId: id }, { timeoutMs: 5000 }),
    async stop() {
      router.fail({
        code: 'aborted',
        message: 'The deployment was stopped.',
        hint: 'Start it again, or choose another model.',
      })
      await stopRanks()
    },
  }
}

function seatOf(rank: PlanRank, model: SplittableModel, hosts: Map<string, RankHost>): Seat {
  const host = hosts.get(rank.machineId)
  if (!host)
    throw new LanyardError(
      'machine_away',
      `${rank.machineName} is not connected.`,
      'Connect it again, or plan without it.',
    )
  const tensors = model.tensors(rank.split, rank.rank)
  // This computer reads the model where it lies; other machines get just their slices, as a shard.
  return host.kind === 'this'
    ? { rank, host, shard: null, tensors }
    : { rank, host, shard: model.shard(tensors), tensors }
}

async function sendShards(seats: Seat[], observer: Observer, signal: AbortSignal): Promise<void> {
  const byHost = Map.groupBy(
    seats.filter((seat) => seat.shard !== null),
    (seat) => seat.host,
  )
  await Promise.all(
    [...byHost].map(async ([host, own]) => {
      const have = await host.worker.client.call('shard.have', { keys: own.map((seat) => seat.shard!.key) })
      // One machine's shards go one after the other: they share its link and its disk.
      for (const seat of own) {
        const shard = seat.shard!
        const there = have.shards.find((entry) => entry.key === shard.key)!
        observer.rank(seat.rank.rank, { state: 'sending', shardBytes: shard.bytes, sentBytes: 0 })
        if (!there.complete) {
          await host.worker.put(shard, there.bytes, (sentBytes) => observer.rank(seat.rank.rank, { sentBytes }), signal)
        }
        seat.tensors = shard.at(there.path)
      }
    }),
  )
}

/** Starts every rank's run and resolves when all are ready; rejects with the first that ends. */
async function load(
  id: string,
  plan: Plan,
  model: SplittableModel,
  seats: Seat[],
  peers: { host: string; port: number }[],
  observer: Observer,
  watch: Watch,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let ready = 0
    watch.lost = ({ code, message, hint }) => reject(new LanyardError(code, message, hint))
    const ended = (seat: Seat, problem: Problem): void => {
      if (watch.over.aborted) return
      observer.rank(seat.rank.rank, { state: 'failed', problem })
      watch.lost(problem)
    }
    signal.addEventListener(
      'abort',
      () => reject(new LanyardError('cancelled', 'The deployment was stopped while it was loading.')),
      { once: true },
    )
    for (const seat of seats) {
      const number = seat.rank.rank
      const onEvent = (event: RankEvent): void => {
        if (event.kind === 'loading') observer.rank(number, { state: 'loading', loadedBytes: event.done })
        if (event.kind === 'ready') {
          observer.rank(number, { state: 'ready', loadedBytes: event.weightBytes })
          if (++ready === seats.length) resolve()
        }
        if (event.kind === 'ended') ended(seat, endOf(seat, event.problem))
      }
      seat.host.worker.client
        .stream('rank.run', { deploymentId: id, rank: number, peers, spec: engineSpecOf(plan, model, seat) }, onEvent, {
          signal: watch.over,
        })
        .then(
          () => ended(seat, endOf(seat, null)),
          (error: unknown) => ended(seat, problemAt(seat, problemOf(error))),
        )
    }
  })
}

function engineSpecOf(plan: Plan, model: SplittableModel, seat: Seat): EngineSpec {
  return {
    decoder: model.decoder,
    split: seat.rank.split,
    tensors: seat.tensors,
    weights: plan.weights,
    kv: { blocks: plan.kvBlocks, blockSize: plan.kvBlockSize, dtype: plan.kvDtype },
    maxStepTokens,
    maxSequences: plan.maxSequences,
    device: { kind: seat.rank.device.kind, index: seat.rank.device.index, threads: seat.rank.device.threads },
  }
}

function endOf(seat: Seat, problem: { code: string; message: string; hint: string } | null): Problem {
  const code = errorCode.safeParse(problem?.code)
  return problemAt(
    seat,
    problem
      ? { code: code.success ? code.data : 'rank_failed', message: problem.message, hint: problem.hint }
      : { code: 'rank_lost', message: 'its process ended', hint: '' },
  )
}

/** Names machine and rank: a user with four machines must know which one to look at. */
function problemAt(seat: Seat, problem: Problem): Problem {
  const where = `Rank ${seat.rank.rank} on ${seat.host.name}`
  if (problem.message.startsWith(where)) return problem
  return {
    ...problem,
    message: `${where}: ${problem.message}`,
    hint: problem.hint || `See the log of ${seat.host.name}, then serve again.`,
  }
}
