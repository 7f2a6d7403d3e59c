import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EngineSpec } from '../../contract/engine.ts'
import { specOf, temporaryFolder } from '../testing/worker-process.ts'
import { listPrepacked, makeRoom, prepackedPlan, tidyPrepacked } from './prepacked.ts'
import { openShards } from './shards.ts'

const day = 24 * 3600 * 1000

function specFrom(file: string, more: Partial<EngineSpec> = {}, offset = 0): EngineSpec {
  const extents = [{ file, offset, rows: 4, rowBytes: 16, stride: 16 }]
  const tensor = { role: 'lm_head' as const, layer: -1, expert: -1, dtype: 'bf16' as const, rows: 4, cols: 8, extents }
  return { ...specOf(), tensors: [tensor], weights: 'int8', ...more }
}

function put(file: string, bytes: number, daysAgo = 0): void {
  writeFileSync(file, '')
  truncateSync(file, bytes)
  const at = new Date(Date.now() - daysAgo * day)
  utimesSync(file, at, at)
}

interface Place extends Disposable {
  shards: string
  model: string
}

function place(): Place {
  const folder = temporaryFolder()
  const shards = path.join(folder.path, 'shards')
  mkdirSync(shards)
  const model = path.join(folder.path, 'model.safetensors')
  put(model, 100)
  return { shards, model, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

describe('the plan for packed weights', () => {
  test('lies beside the shard, one for each type of weights; using the shard changes nothing', async () => {
    using at = place()
    const shard = path.join(at.shards, 'abc.safetensors')
    put(shard, 64, 5)
    const first = await prepackedPlan(at.shards, specFrom(shard))
    expect(first!.file).toBe(path.join(at.shards, 'abc.int8.packed'))
    utimesSync(shard, new Date(), new Date())
    expect(await prepackedPlan(at.shards, specFrom(shard))).toEqual(first)
    const other = await prepackedPlan(at.shards, specFrom(shard, { weights: 'int4' }))
    expect(other!.file).toBe(path.join(at.shards, 'abc.int4.packed'))
    expect(other!.key).not.toBe(first!.key)
  })

  test('of a model read where it lies has a name per slice, and a key that follows the files', async () => {
    using at = place()
    const first = await prepackedPlan(at.shards, specFrom(at.model))
    expect(path.dirname(first!.file)).toBe(at.shards)
    expect(await prepackedPlan(at.shards, specFrom(at.model))).toEqual(first)
    expect((await prepackedPlan(at.shards, specFrom(at.model, {}, 16)))!.file).not.toBe(first!.file)
    put(at.model, 100, 1)
    const touched = await prepackedPlan(at.shards, specFrom(at.model))
    expect(touched!.file).toBe(first!.file)
    expect(touched!.key).not.toBe(first!.key)
  })

  test('is none where a source is missing or the device keeps its own layout', async () => {
    using at = place()
    expect(await prepackedPlan(at.shards, specFrom(path.join(at.shards, 'gone.safetensors')))).toBeUndefined()
    const device = { kind: 'cuda' as const, index: 0, threads: 1 }
    expect(await prepackedPlan(at.shards, specFrom(at.model, { device }))).toBeUndefined()
  })

  test('marks what is there as used now', async () => {
    using at = place()
    const { file } = (await prepackedPlan(at.shards, specFrom(at.model)))!
    put(file, 10, 20)
    await prepackedPlan(at.shards, specFrom(at.model))
    expect(Date.now() - (await listPrepacked(at.shards))[0]!.usedAt).toBeLessThan(day)
  })
})

describe('packed weights go', () => {
  test('with their shard, in whose size they count, and with nobody else’s', async () => {
    using at = place()
    const store = openShards(at.shards)
    put(path.join(at.shards, 'abc.safetensors'), 1000)
    put(path.join(at.shards, 'abc.int8.packed'), 500)
    put(path.join(at.shards, 'abc.int4.packed.partial'), 30)
    put(path.join(at.shards, 'abc.d.safetensors'), 10)
    put(path.join(at.shards, 'abc.d.int8.packed'), 7)
    const sizes = Object.fromEntries((await store.list()).map(({ key, bytes }) => [key, bytes]))
    expect(sizes).toEqual({ abc: 1500, 'abc.d': 17 })
    await store.remove('abc')
    expect(readdirSync(at.shards).toSorted()).toEqual(['abc.d.int8.packed', 'abc.d.safetensors'])
  })

  test('with the model that was read where it lay', async () => {
    using at = place()
    const { file } = (await prepackedPlan(at.shards, specFrom(at.model)))!
    put(file, 10)
    await tidyPrepacked(at.shards)
    expect(existsSync(file)).toBe(true)
    rmSync(at.model)
    await tidyPrepacked(at.shards)
    expect(readdirSync(at.shards)).toEqual([])
  })

  test('after a month without use', async () => {
    using at = place()
    put(path.join(at.shards, 'old.int8.packed'), 10, 31)
    put(path.join(at.shards, 'new.int8.packed'), 10, 29)
    await tidyPrepacked(at.shards)
    expect(readdirSync(at.shards)).toEqual(['new.int8.packed'])
  })

  test('when the room is needed, the longest unused first', async () => {
    using at = place()
    put(path.join(at.shards, 'old.int8.packed'), 10, 3)
    put(path.join(at.shards, 'new.int8.packed'), 10, 1)
    await makeRoom(at.shards, 1)
    expect(readdirSync(at.shards)).toHaveLength(2)
    await makeRoom(at.shards, Number.MAX_SAFE_INTEGER, 'old.int8.packed')
    expect(readdirSync(at.shards)).toEqual(['old.int8.packed'])
  })
})
