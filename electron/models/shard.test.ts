import { createHash } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RankSplit, TensorSource } from '../contract/engine.ts'
import { modelFacts } from './architecture/architecture.ts'
import { loadPlan } from './load-plan.ts'
import { readHeaders } from './safetensors-files.ts'
import { type Shard, shardOf } from './shard-files.ts'
import { temporaryFolder } from './testing/folder.ts'
import { makeModel, testConfigs } from './testing/make-model.ts'

const split: RankSplit = {
  queryHeads: { start: 1, count: 2 },
  kvHeads: { start: 0, count: 2 },
  ffn: { start: 8, count: 8 },
  vocab: { start: 96, count: 64 },
}

async function shardIn(
  folder: string,
  name: string,
  own = split,
  fingerprint = 'f',
): Promise<{ shard: Shard; sources: TensorSource[] }> {
  const config = testConfigs[name]!
  const sources = loadPlan(modelFacts(config), await readHeaders(makeModel(folder, config, 2)), own, 0)
  return { shard: shardOf(sources, fingerprint), sources }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

async function collect(shard: Shard, offset = 0): Promise<{ bytes: Buffer; digest: string }> {
  const { chunks, digest } = shard.read(offset)
  return { bytes: Buffer.concat(await all(chunks)), digest: await digest }
}

const contents = (source: TensorSource) =>
  Buffer.concat(
    source.extents.flatMap(({ file, offset, rows, rowBytes, stride }) => {
      const bytes = readFileSync(file)
      return Array.from({ length: rows }, (_, row) =>
        bytes.subarray(offset + row * stride, offset + row * stride + rowBytes),
      )
    }),
  )

describe('a shard', () => {
  test.each(Object.keys(testConfigs))('of %s holds exactly the slices of the load plan', async (name) => {
    using folder = temporaryFolder()
    const own =
      name === 'qwen1'
        ? { ...split, kvHeads: split.queryHeads }
        : name === 'qwen2_moe'
          ? { ...split, ffn: { start: 2, count: 4 } }
          : split
    const { shard, sources } = await shardIn(folder.path, name, own)
    const { bytes, digest } = await collect(shard)
    expect(bytes.length).toBe(shard.bytes)
    expect(digest).toBe(createHash('sha256').update(bytes).digest('hex'))
    const file = join(folder.path, 'shard')
    writeFileSync(file, bytes)
    const there = shard.at(file)
    expect(there.map(({ extents: _, ...rest }) => rest)).toEqual(sources.map(({ extents: _, ...rest }) => rest))
    for (const [i, source] of sources.entries()) expect(contents(there[i]!).equals(contents(source))).toBe(true)
  })

  test('is a safetensors file that names its tensors by role', async () => {
    using folder = temporaryFolder()
    const { shard } = await shardIn(folder.path, 'qwen2_moe', { ...split, ffn: { start: 2, count: 4 } })
    using other = temporaryFolder()
    writeFileSync(join(other.path, 'model.safetensors'), (await collect(shard)).bytes)
    const headers = await readHeaders(other.path)
    expect(headers.get('layers.1.experts.2.expert_gate_up')).toMatchObject({ dtype: 'F32', shape: [8, 16] })
    expect(headers.get('final_norm')).toMatchObject({ shape: [16, 1] })
    expect(Math.min(...[...headers.values()].map(({ offset }) => offset)) % 64).toBe(0)
  })

  test('holds a tied lm_head once', async () => {
    using folder = temporaryFolder()
    const { shard, sources } = await shardIn(folder.path, 'llama with biases, tied')
    const table = 264 * 16 * 4
    const rest = sources
      .filter(({ role }) => role !== 'embed' && role !== 'lm_head')
      .reduce((sum, s) => sum + s.rows * s.cols * 4, 0)
    expect(shard.bytes - table - rest).toBeGreaterThan(0)
    expect(shard.bytes - table - rest).toBeLessThan(64 * 16 * 4)
  })

  test('read from any byte on is the end of the whole, with the hash of the whole', async () => {
    using folder = temporaryFolder()
    const { shard } = await shardIn(folder.path, 'llama')
    const whole = await collect(shard)
    await fc.assert(
      fc.asyncProperty(fc.nat(shard.bytes), async (offset) => {
        const part = await collect(shard, offset)
        expect(part.bytes.equals(whole.bytes.subarray(offset))).toBe(true)
        expect(part.digest).toBe(whole.digest)
      }),
      { numRuns: 30, examples: [[0], [shard.bytes], [7], [64]] },
    )
  })

  test('has a key that follows its content: model and slices, not the folder', async () => {
    using folder = temporaryFolder()
    const key = async (name: string, own = split, fingerprint = 'f') =>
      (await shardIn(join(folder.path, name), 'llama', own, fingerprint)).shard.key
    const first = await key('a')
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect(await key('b')).toBe(first)
    expect(await key('a', { ...split, ffn: { start: 8, count: 16 } })).not.toBe(first)
    expect(await key('a', split, 'g')).not.toBe(first)
  })

  test('of a file that has shrunk since fails with its name', async () => {
    using folder = temporaryFolder()
    const { shard } = await shardIn(folder.path, 'llama')
    truncateSync(join(folder.path, 'model-00002-of-00002.safetensors'), 3000)
    const { chunks, digest } = shard.read(0)
    await expect(all(chunks)).rejects.toMatchObject({
      code: 'model_truncated',
      message: expect.stringContaining('model-00002-of-00002'),
    })
    await expect(digest).rejects.toMatchObject({ code: 'model_truncated' })
  })

  test('left before its end has no hash', async () => {
    using folder = temporaryFolder()
    const { shard } = await shardIn(folder.path, 'llama')
    const { chunks, digest } = shard.read(0)
    for await (const chunk of chunks) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await expect(digest).rejects.toMatchObject({ code: 'cancelled' })
  })
})
