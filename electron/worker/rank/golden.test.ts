/** The whole worker with the real engine: goldens of Hugging Face transformers through processes, scheduler and splits. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { DecoderSpec, EngineSpec, RankSplit } from '../../contract/engine.ts'
import type { Client } from '../../contract/rpc/contract.ts'
import type { RankEvent, WorkerContract } from '../../contract/worker.ts'
import { openModel } from '../../models/models.ts'
import { readGolden, writeGoldenModel } from '../../models/testing/goldens/golden.ts'
import { writeTokenizer } from '../../models/testing/make-model.ts'
import { generateOf, isRunning, startWorker, temporaryFolder, until, watchSteps } from '../testing/worker-process.ts'
import type { WorkerProcess } from '../testing/worker-process.ts'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const engine = path.join(root, 'dist', 'native', 'lanyard_engine.node')
const fixtures = path.resolve(root, '..', 'shared', 'fixtures', 'main')
const noEngine = !existsSync(engine)
const missing = [engine, fixtures].filter((file) => !existsSync(file))
if (missing.length > 0) {
  console.log(
    `Left out: the worker with the real engine against the goldens, because ${missing.join(' and ')} is missing.`,
  )
}
const limit = 60_000

interface Golden {
  prompts: { ids: number[]; greedy: { ids: number[] } }[]
}

/** Shares as even as heads, columns and rows allow; a KV head that is cut lies on both sides of the cut. */
function evenSplit(d: DecoderSpec, rank: number, size: number): RankSplit {
  const cut = (total: number) => {
    const start = Math.floor((total * rank) / size)
    return { start, count: Math.floor((total * (rank + 1)) / size) - start }
  }
  const queryHeads = cut(d.queryHeads)
  const group = d.queryHeads / d.kvHeads
  const first = Math.floor(queryHeads.start / group)
  const last = Math.ceil((queryHeads.start + queryHeads.count) / group)
  return { queryHeads, kvHeads: { start: first, count: last - first }, ffn: cut(d.ffn), vocab: cut(d.vocab) }
}

interface Deployed {
  pids: number[]
  events: RankEvent[][]
}

/** All ranks of a deployment on one worker, exact arithmetic, small chunks. */
async function deploy(client: Client<WorkerContract>, name: string, size: number, kvBlocks: number): Promise<Deployed> {
  const model = (await openModel(path.resolve(fixtures, name))).splittable()
  const { decoder } = model
  const started = await Promise.all(
    Array.from({ length: size }, (_, rank) =>
      client.call('rank.start', {
        deploymentId: 'd',
        rank,
        size,
        key: Buffer.alloc(32, 3).toString('base64'),
        epoch: 1,
        bind: size > 1 ? '127.0.0.1' : '',
        wire: 'f32',
      }),
    ),
  )
  const peers = started.map(({ port }) => ({ host: '127.0.0.1', port }))
  const events = started.map((): RankEvent[] => [])
  for (const rank of started.keys()) {
    const split = evenSplit(decoder, rank, size)
    const spec: EngineSpec = {
      decoder,
      split,
      tensors: model.tensors(split, rank),
      weights: 'stored',
      compute: 'exact',
      kv: { blocks: kvBlocks, blockSize: 16, dtype: 'f32' },
      maxStepTokens: 48,
      maxSequences: 8,
      device: { kind: 'cpu', index: 0, threads: 1 },
    }
    client
      .stream('rank.run', { deploymentId: 'd', rank, peers, spec }, (event) => events[rank]!.push(event))
      .catch(() => undefined)
  }
  await until(() => events.every((list) => list.some((event) => event.kind === 'ready' || event.kind === 'ended')))
  expect(events.map((list) => list.at(-1))).toEqual(
    events.map(() => expect.objectContaining({ kind: 'ready' }) as object),
  )
  return { pids: started.map(({ pid }) => pid), events }
}

async function withEngine(body: (worker: WorkerProcess) => Promise<void>): Promise<void> {
  using folder = temporaryFolder()
  await using worker = startWorker('stdio', folder.path, { env: { LANYARD_ENGINE: engine } })
  await worker.hello()
  await body(worker)
  await worker.leave()
}

describe.skipIf(noEngine)('a worker with the real engine and a made-up model', () => {
  for (const name of ['gpt_oss', 'qwen2_moe', 'deepseek_v3']) {
    for (const size of [1, 2, 3]) {
      test(
        `${name} on ${size} ${size === 1 ? 'rank' : 'ranks'}: all prompts at once give the golden tokens`,
        () =>
          withEngine(async ({ client }) => {
            using models = temporaryFolder()
            const golden = readGolden(name)
            const folder = writeGoldenModel(models.path, golden)
            writeTokenizer(folder)
            // Enough for the longest alone, not for all together.
            await deploy(client, folder, size, 9)
            const steps = watchSteps(client)
            for (const [n, { ids, greedy }] of [...golden.prompts.entries()].toReversed()) {
              await client.call('request.submit', generateOf(`p${n}`, ids, { maxTokens: greedy.length }))
            }
            await until(() => steps.ended.size === golden.prompts.length)
            expect([...steps.ended.values()].map(({ problem }) => problem)).toEqual(golden.prompts.map(() => null))
            for (const [n, { greedy }] of golden.prompts.entries())
              expect([n, steps.tokens.get(`p${n}`)]).toEqual([n, greedy])
          }),
        limit,
      )
    }
  }
})

describe.skipIf(missing.length > 0)('a worker with the real engine', () => {
  for (const name of ['llama', 'qwen2', 'qwen3', 'qwen1', 'llama-fp8-channel']) {
    for (const size of [1, 2, 3]) {
      test(
        `${name} on ${size} ${size === 1 ? 'rank' : 'ranks'}: all prompts at once, in chunks and short of KV blocks, give the golden tokens`,
        () =>
          withEngine(async ({ client }) => {
            const golden = JSON.parse(readFileSync(path.join(fixtures, name, 'golden.json'), 'utf8')) as Golden
            // Enough for the longest alone, not for all together: the newest must give way.
            await deploy(client, name, size, 15)
            const steps = watchSteps(client)
            // The longest first: it is admitted, and then the others grow.
            for (const [n, { ids, greedy }] of [...golden.prompts.entries()].toReversed()) {
              await client.call('request.submit', generateOf(`p${n}`, ids, { maxTokens: greedy.ids.length }))
            }
            await until(() => steps.ended.size === golden.prompts.length)
            for (const [n, { greedy }] of golden.prompts.entries()) {
              expect([...steps.ended.values()].map(({ problem }) => problem)).toEqual(golden.prompts.map(() => null))
              expect([n, steps.tokens.get(`p${n}`)]).toEqual([n, greedy.ids])
            }
          }),
        limit,
      )
    }
  }

  test(
    'the same prompt again is found in the cache and gives the same tokens',
    () =>
      withEngine(async ({ client }) => {
        const golden = JSON.parse(readFileSync(path.join(fixtures, 'llama', 'golden.json'), 'utf8')) as Golden
        const { ids, greedy } = golden.prompts.at(-1)!
        await deploy(client, 'llama', 1, 32)
        const steps = watchSteps(client)
        for (const requestId of ['first', 'again']) {
          await client.call('request.submit', generateOf(requestId, ids, { maxTokens: greedy.ids.length }))
          await until(() => steps.ended.has(requestId))
          expect(steps.tokens.get(requestId)).toEqual(greedy.ids)
        }
        const read = steps.waiting.filter(({ requestId }) => requestId === 'again').map(({ promptDone }) => promptDone)
        expect(Math.max(...read)).toBeGreaterThanOrEqual(ids.length - 16 - (ids.length % 16))
      }),
    limit,
  )

  test(
    'a rank killed while it serves is named within two seconds, and nothing of the group stays',
    () =>
      withEngine(async ({ client }) => {
        const { pids, events } = await deploy(client, 'llama', 3, 32)
        const steps = watchSteps(client)
        await client.call('request.submit', generateOf('a', [1, 2, 3], { maxTokens: 400 }))
        await until(() => steps.tokens.has('a'))
        const before = Date.now()
        process.kill(pids[1]!, 'SIGKILL')
        await until(() => steps.ended.has('a'))
        expect(Date.now() - before).toBeLessThan(2000)
        expect(steps.ended.get('a')).toMatchObject({ reason: 'failed', problem: { code: 'rank_lost' } })
        await until(() => events.every((list) => list.at(-1)!.kind === 'ended'))
        expect(events[0]!.at(-1)).toMatchObject({ problem: { code: 'rank_lost', rank: 1 } })
        expect(events[1]!.at(-1)).toMatchObject({ problem: { code: 'rank_failed', rank: 1 } })
        expect(events[2]!.at(-1)).toMatchObject({ problem: { code: 'rank_lost', rank: 1 } })
        expect(pids.filter(isRunning)).toEqual([])
      }),
    limit,
  )

  test(
    'stopping rank 0 lets the others end in good order',
    () =>
      withEngine(async ({ client }) => {
        const { pids, events } = await deploy(client, 'llama', 2, 32)
        const steps = watchSteps(client)
        await client.call('request.submit', generateOf('a', [1, 2, 3], { maxTokens: 400 }))
        await until(() => steps.tokens.has('a'))
        const before = Date.now()
        await client.call('rank.stop', { deploymentId: 'd', rank: 0 })
        expect(Date.now() - before).toBeLessThan(2000)
        await until(() => events.every((list) => list.at(-1)!.kind === 'ended'))
        expect(events.map((list) => list.at(-1))).toEqual([
          { kind: 'ended', problem: null },
          { kind: 'ended', problem: null },
        ])
        expect(steps.ended.get('a')).toMatchObject({ reason: 'aborted' })
        expect(pids.filter(isRunning)).toEqual([])
      }),
    limit,
  )
})
