import { describe, expect, test } from 'vitest'
import { crashToken, lostToken } from '../testing/fake-engine.ts'
import { generateAlone } from '../testing/simulated-model.ts'
import {
  generateOf,
  isRunning,
  specOf,
  startRank,
  startWorker,
  temporaryFolder,
  until,
  watchSteps,
} from '../testing/worker-process.ts'
import type { WorkerProcess } from '../testing/worker-process.ts'

const limit = 30_000
const groupOf = (deploymentId: string, epoch = 1) => ({
  deploymentId,
  rank: 0,
  size: 1,
  key: Buffer.alloc(32).toString('base64'),
  epoch,
  bind: '',
  wire: 'f32' as const,
})

async function withWorker(
  body: (worker: WorkerProcess) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  using folder = temporaryFolder()
  await using worker = startWorker('stdio', folder.path, { env })
  await worker.hello()
  await body(worker)
  await worker.leave()
}

describe('ranks', () => {
  test(
    'a rank loads, tells its progress, generates, and counts',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client)
        expect(rank.events.at(0)).toEqual({ kind: 'loading', done: 25, total: 100 })
        expect(rank.events.at(-1)).toEqual({
          kind: 'ready',
          weightBytes: 100,
          kvBytes: 50,
          workspaceBytes: 25,
          kernels: 'fake',
        })
        const steps = watchSteps(client)
        const requests = [
          generateOf('a', [1, 2, 3]),
          generateOf(
            'b',
            Array.from({ length: 100 }, (_, n) => n % 90),
          ),
          generateOf('c', [1, 2, 4], { maxTokens: 3 }),
        ]
        await Promise.all(requests.map((request) => client.call('request.submit', request)))
        await until(() => steps.ended.size === 3)
        for (const request of requests)
          expect(steps.tokens.get(request.requestId)).toEqual(generateAlone(request, 1).tokens)
        expect(steps.waiting).toContainEqual({
          requestId: 'b',
          queued: 0,
          promptDone: expect.any(Number) as number,
          promptTotal: 100,
        })
        const stats = await client.call('deployment.stats', { deploymentId: 'd' })
        expect(stats).toMatchObject({ running: 0, waiting: 0, kvUsed: 0, kvTotal: 1024, tokens: 43 })
        expect(stats.steps).toBeGreaterThanOrEqual(20)
      }),
    limit,
  )

  test(
    'a request can be ended at any moment, and one that the model cannot take is refused',
    () =>
      withWorker(
        async ({ client }) => {
          await startRank(client)
          const steps = watchSteps(client)
          await client.call('request.submit', generateOf('a', [1], { maxTokens: 400 }))
          await until(() => steps.tokens.has('a'))
          await client.call('request.abort', { deploymentId: 'd', requestId: 'a' })
          await until(() => steps.ended.has('a'))
          expect(steps.ended.get('a')!.reason).toBe('aborted')
          const count = steps.tokens.get('a')!.length
          await expect(
            client.call(
              'request.submit',
              generateOf(
                'b',
                Array.from({ length: 600 }, () => 1),
              ),
            ),
          ).rejects.toMatchObject({ code: 'context_length_exceeded' })
          await client.call('request.submit', generateOf('c', [1], { maxTokens: 2 }))
          await until(() => steps.ended.has('c'))
          expect(steps.tokens.get('a')!.length).toBe(count)
          expect(steps.ended.has('b')).toBe(false)
        },
        { LANYARD_FAKE_STEP_MS: '5' },
      ),
    limit,
  )

  test(
    'stopped, it ends its requests as aborted and itself without a problem',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client)
        const steps = watchSteps(client)
        await client.call('request.submit', generateOf('a', [1], { maxTokens: 400 }))
        await until(() => steps.tokens.has('a'))
        const before = Date.now()
        await client.call('rank.stop', { deploymentId: 'd', rank: 0 })
        expect(Date.now() - before).toBeLessThan(2000)
        expect(isRunning(rank.pid)).toBe(false)
        await rank.over
        expect(rank.events.at(-1)).toEqual({ kind: 'ended', problem: null })
        expect(steps.ended.get('a')).toMatchObject({ reason: 'aborted', problem: null })
        expect(await steps.over).toBeNull()
        expect(await client.call('rank.stop', { deploymentId: 'd', rank: 0 })).toEqual({})
        await expect(client.call('request.submit', generateOf('b', [1]))).rejects.toMatchObject({ code: 'not_found' })
      }),
    limit,
  )

  test(
    'one that does not end by itself is killed after two seconds',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client, { spec: specOf('stuck') })
        const before = Date.now()
        await client.call('rank.stop', { deploymentId: 'd', rank: 0 })
        expect(Date.now() - before).toBeGreaterThan(1900)
        expect(Date.now() - before).toBeLessThan(5000)
        expect(isRunning(rank.pid)).toBe(false)
      }),
    limit,
  )

  test(
    'a native crash ends the deployment with the signal, not the worker',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client)
        const steps = watchSteps(client)
        await client.call('request.submit', generateOf('a', [crashToken]))
        await rank.over
        const problem = expect.objectContaining({
          code: 'rank_failed',
          message: expect.stringContaining(`Rank 0 (process ${rank.pid}) was ended by SIGABRT`) as string,
        }) as object
        expect(rank.events.at(-1)).toEqual({ kind: 'ended', problem })
        expect(steps.ended.get('a')).toMatchObject({ reason: 'failed', problem })
        expect(await steps.over).toMatchObject({ code: 'rank_failed' })
        await expect(client.call('request.submit', generateOf('b', [1]))).rejects.toMatchObject({ code: 'rank_failed' })
        await client.call('rank.stop', { deploymentId: 'd', rank: 0 })
        await startRank(client)
      }),
    limit,
  )

  test(
    'killed from outside it says what most often does that',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client)
        process.kill(rank.pid, 'SIGKILL')
        await rank.over
        expect(rank.events.at(-1)).toMatchObject({
          kind: 'ended',
          problem: { code: 'rank_failed', rank: 0, hint: expect.stringContaining('memory') as string },
        })
      }),
    limit,
  )

  test(
    'a lost peer is named to every request and in the end of the rank',
    () =>
      withWorker(async ({ client }) => {
        const rank = await startRank(client)
        const steps = watchSteps(client)
        await client.call('request.submit', generateOf('a', [lostToken]))
        await rank.over
        expect(steps.ended.get('a')).toMatchObject({
          reason: 'failed',
          problem: { code: 'rank_lost', message: 'Rank 1 (10.0.0.2) is gone.' },
        })
        expect(rank.events.at(-1)).toMatchObject({ kind: 'ended', problem: { code: 'rank_lost', rank: 1 } })
      }),
    limit,
  )

  test(
    'failing to load and failing to meet end the rank with their reasons',
    () =>
      withWorker(async ({ client }) => {
        const tooBig = await startRank(client, { spec: specOf('too-big'), deploymentId: 'big' })
        expect(tooBig.events).toEqual([
          { kind: 'ended', problem: expect.objectContaining({ code: 'out_of_memory', rank: 0 }) as object },
        ])
        await client.call('rank.start', groupOf('lonely'))
        const events: object[] = []
        await client.stream('rank.run', { deploymentId: 'lonely', rank: 0, peers: [], spec: specOf() }, (event) =>
          events.push(event),
        )
        expect(events).toEqual([
          { kind: 'ended', problem: expect.objectContaining({ code: 'group_timeout', rank: 1 }) as object },
        ])
      }),
    limit,
  )

  test(
    'a shard that a rank reads cannot be removed',
    () =>
      withWorker(async ({ client }) => {
        const have = await client.call('shard.have', { keys: ['k'] })
        const extents = [{ file: have.shards[0]!.path, offset: 0, rows: 1, rowBytes: 1, stride: 1 }]
        await startRank(client, {
          spec: {
            ...specOf(),
            tensors: [{ role: 'embed', layer: -1, expert: -1, dtype: 'f32', rows: 1, cols: 1, extents }],
          },
        })
        await expect(client.call('shard.remove', { key: 'k' })).rejects.toMatchObject({ code: 'model_in_use' })
        await client.call('rank.stop', { deploymentId: 'd', rank: 0 })
        expect(await client.call('shard.remove', { key: 'k' })).toEqual({})
      }),
    limit,
  )

  test(
    'an engine that does not load refuses the start and leaves no process',
    () =>
      withWorker(
        async ({ client }) => {
          await expect(client.call('rank.start', groupOf('d'))).rejects.toMatchObject({ code: 'engine_unavailable' })
          expect((await client.call('rank.list', {})).ranks).toEqual([])
        },
        { LANYARD_ENGINE: '/nowhere/lanyard_engine.node' },
      ),
    limit,
  )

  test(
    'the same epoch twice is refused, a newer one takes the place',
    () =>
      withWorker(async ({ client }) => {
        const first = await client.call('rank.start', groupOf('d'))
        await expect(client.call('rank.start', groupOf('d'))).rejects.toMatchObject({ code: 'bad_request' })
        const second = await client.call('rank.start', groupOf('d', 2))
        expect(isRunning(first.pid)).toBe(false)
        expect((await client.call('rank.list', {})).ranks).toMatchObject([{ pid: second.pid, state: 'started' }])
        await expect(client.call('request.submit', generateOf('a', [1]))).rejects.toMatchObject({
          code: 'deployment_not_ready',
        })
      }),
    limit,
  )

  test(
    'the latest listener holds the stream',
    () =>
      withWorker(async ({ client }) => {
        await startRank(client)
        const first = watchSteps(client)
        const second = watchSteps(client)
        expect(await first.over).toMatchObject({ code: 'cancelled' })
        await client.call('request.submit', generateOf('a', [1], { maxTokens: 2 }))
        await until(() => second.ended.has('a'))
        expect(first.tokens.size).toBe(0)
      }),
    limit,
  )
})
