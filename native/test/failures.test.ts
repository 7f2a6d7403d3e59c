/** What goes wrong is an Error with a code (and a rank), and leaves nothing hanging. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TensorSource } from '../../electron/contract/engine.ts'
import { loadPlan, modelFacts, readHeaders, wholeSplit } from '../../electron/models/models.ts'
import { fromSlot, type SequenceStep } from '../../electron/worker/rank/addon.ts'
import { writeMadeUpModel } from './made-up.ts'
import { addon, greedy, groupOptions, openRanks, part, readJson, specOf, unevenSplit } from './ranks.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lanyard-failures-'))
  writeMadeUpModel(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

const factsOf = (where: string) => modelFacts(readJson(path.join(where, 'config.json')))

/** Opens on one rank with the load plan changed by `change`. */
async function openWith(change: (tensors: TensorSource[]) => TensorSource[], where = folder, planned = where): Promise<void> {
  const facts = factsOf(where)
  const split = wholeSplit(facts.decoder)
  const tensors = change(loadPlan(facts, await readHeaders(planned), split, 0))
  const group = addon.createGroup(groupOptions(0, 1))
  try {
    await addon.open(specOf(facts, split, tensors), group)
  } finally {
    group.close()
  }
}

const changed = (role: string, change: (tensor: TensorSource) => TensorSource) => (tensors: TensorSource[]) =>
  tensors.map((tensor) => (tensor.role === role ? change(tensor) : tensor))

describe('loading', () => {
  test('a file that ends too early is refused', async () => {
    const short = path.join(folder, 'short')
    writeMadeUpModel(short)
    const headers = await readHeaders(short)
    const facts = factsOf(short)
    const tensors = loadPlan(facts, headers, wholeSplit(facts.decoder), 0)
    truncateSync(path.join(short, 'model.safetensors'), 400_000)
    await expect(openWith(() => tensors, short, folder)).rejects.toMatchObject({ code: 'weights_truncated' })
  })

  test.each<[string, (tensors: TensorSource[]) => TensorSource[], string]>([
    ['another shape', changed('attn_o', (t) => ({ ...t, rows: t.rows / 2 })), 'weights_mismatch'],
    ['extents of another size', changed('ffn_down', (t) => ({ ...t, extents: t.extents.map((e) => ({ ...e, rows: e.rows - 1 })) })), 'weights_mismatch'],
    ['a missing matrix', (tensors) => tensors.filter((t) => t.role !== 'attn_qkv' || t.layer !== 1), 'weights_mismatch'],
    ['a missing lm_head', (tensors) => tensors.filter((t) => t.role !== 'lm_head'), 'weights_mismatch'],
    ['a layer beyond the model', changed('attn_norm', (t) => ({ ...t, layer: t.layer + 1 })), 'weights_mismatch'],
    ['an offset beyond the file', changed('final_norm', (t) => ({ ...t, extents: t.extents.map((e) => ({ ...e, offset: 2 ** 52 })) })), 'weights_truncated'],
    ['a file that is not there', changed('embed', (t) => ({ ...t, extents: t.extents.map((e) => ({ ...e, file: '/nowhere/model' })) })), 'not_found'],
  ])('%s is refused', async (_, change, code) => {
    await expect(openWith(change)).rejects.toMatchObject({ code })
  })

  test('a spec that is no spec is a TypeError that names the field', async () => {
    const group = addon.createGroup(groupOptions(0, 1))
    const facts = factsOf(folder)
    const spec = specOf(facts, wholeSplit(facts.decoder), [])
    await expect(async () => addon.open({ ...spec, maxStepTokens: 1.5 }, group)).rejects.toThrow('maxStepTokens')
    await expect(addon.open({ ...spec, device: { ...spec.device, kind: 'cuda' } }, group)).rejects.toMatchObject({ code: 'engine_unavailable' })
    group.close()
  })

  test('progress ends at the whole', async () => {
    const facts = factsOf(folder)
    const split = wholeSplit(facts.decoder)
    const group = addon.createGroup(groupOptions(0, 1))
    const seen: [number, number][] = []
    const tensors = loadPlan(facts, await readHeaders(folder), split, 0)
    const engine = await addon.open(specOf(facts, split, tensors), group, (done, total) => seen.push([done, total]))
    expect(seen.at(-1)![0]).toBe(seen.at(-1)![1])
    engine.close()
    group.close()
  })
})

describe('steps', () => {
  const good = part(0, [1, 2, 3], 0)
  test.each<[string, SequenceStep[]]>([
    ['no sequences', []],
    ['no tokens', [{ ...good, tokens: [] }]],
    ['a token beyond the vocabulary', [{ ...good, tokens: [1500] }]],
    ['a negative token', [{ ...good, tokens: [-2] }]],
    ['a sampled token where none was', [{ ...good, slot: 3, tokens: [-1] }]],
    ['more blocks kept than the slot has', [{ ...good, blocksKept: 9 }]],
    ['more rows than tokens', [{ ...good, rows: 4 }]],
    ['one slot for two sequences', [good, good]],
    ['a block beyond the cache', [{ ...good, blocks: [64] }]],
    ['too few blocks', [{ ...good, start: 15 }]],
    ['a position beyond the context', [{ ...good, start: 2047, blocks: Array.from({ length: 200 }, () => 0) }]],
    ['too many tokens', [{ ...good, tokens: Array.from({ length: 257 }, () => 1), blocks: Array.from({ length: 20 }, (_, i) => i) }]],
    ['a slot beyond the engine', [{ ...good, slot: 8 }]],
    ['a temperature that is no number', [{ ...good, sample: { ...greedy, temperature: NaN } }]],
  ])('%s: refused, and the engine goes on', async (_, sequences) => {
    const ranks = await openRanks(folder, { splits: unevenSplit(factsOf(folder), [0.5]) })
    try {
      await expect(ranks.step(sequences)).rejects.toMatchObject({ code: 'bad_request' })
      expect((await ranks.step([good])).tokens).toHaveLength(1)
    } finally {
      await ranks.close()
    }
  })

  test('one step may be given while another runs, and may go on from the token that one samples', async () => {
    const ranks = await openRanks(folder, { splits: unevenSplit(factsOf(folder), [0.5]), maxStepTokens: 2048, blocks: 256 })
    // Long enough to be running still when the third is given.
    const prompt = Array.from({ length: 1500 }, (_, i) => 7 + (i % 50))
    const apart = [(await ranks.step([part(0, prompt, 0, {}, 128)])).tokens[0]!.id]
    apart.push((await ranks.step([part(0, apart, prompt.length, {}, 128)])).tokens[0]!.id)
    const first = ranks.step([part(1, prompt, 0, {}, 128)])
    const second = ranks.step([part(1, [fromSlot], prompt.length, {}, 128)])
    await expect(ranks.step([good])).rejects.toMatchObject({ code: 'bad_request' })
    expect((await Promise.all([first, second])).map(({ tokens }) => tokens[0]!.id)).toEqual(apart)
    await ranks.close()
    await expect(ranks.step([good])).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('followers end in order when rank 0 closes', async () => {
    const ranks = await openRanks(folder, { splits: unevenSplit(factsOf(folder), [0.3, 0.7]) })
    await ranks.step([good])
    ranks.engine.close()
    await expect(Promise.all(ranks.following)).resolves.toHaveLength(2)
    await ranks.close()
  })

  test('a step is aborted on every rank', async () => {
    const ranks = await openRanks(folder, { splits: unevenSplit(factsOf(folder), [0.5]), maxStepTokens: 2048, blocks: 256 })
    const running = ranks.step([part(0, Array.from({ length: 2000 }, () => 7), 0, {}, 128)])
    ranks.engine.abort('enough')
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
    await expect(ranks.following[0]).rejects.toMatchObject({ code: 'aborted' })
    await ranks.close()
  })

  test('a group of one goes on after an aborted step', async () => {
    const ranks = await openRanks(folder, { maxStepTokens: 2048, blocks: 256 })
    const running = ranks.step([part(0, Array.from({ length: 2000 }, () => 7), 0, {}, 128)])
    ranks.engine.abort('enough')
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
    expect((await ranks.step([good])).tokens).toHaveLength(1)
    await ranks.close()
  })

  test('a killed rank is named', async () => {
    const facts = factsOf(folder)
    const split = unevenSplit(facts, [0.5])[0]!
    const group = addon.createGroup(groupOptions(0, 2))
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'child-rank.ts'), folder, String(group.port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      const port = Number((await lines.next()).value)
      await group.connect([{ host: '', port: 0 }, { host: '127.0.0.1', port }], 10_000)
      const engine = await addon.open(specOf(facts, split, loadPlan(facts, await readHeaders(folder), split, 0)), group)
      expect((await lines.next()).value).toBe('ready')
      expect((await engine.step([good])).tokens).toHaveLength(1)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await expect(engine.step([good])).rejects.toMatchObject({ code: 'rank_lost', rank: 1 })
      engine.close()
    } finally {
      child.kill('SIGKILL')
      group.close()
    }
  })
})

describe('groups', () => {
  test('impossible options are refused', () => {
    expect(() => addon.createGroup({ ...groupOptions(0, 1), rank: 3 })).toThrow('Rank 3 of 1')
    expect(() => addon.createGroup({ ...groupOptions(0, 2), key: new Uint8Array(3) })).toThrow('32 bytes')
  })

  test('a rank that does not come is named', async () => {
    const group = addon.createGroup(groupOptions(0, 2))
    await expect(group.connect([{ host: '', port: 0 }, { host: '127.0.0.1', port: 9 }], 300)).rejects.toMatchObject({ code: 'group_timeout', rank: 1 })
    group.close()
  })

  test('the all-reduce is measured', async () => {
    const groups = [0, 1].map((rank) => addon.createGroup(groupOptions(rank, 2)))
    const peers = groups.map(({ port }) => ({ host: '127.0.0.1', port }))
    await Promise.all(groups.map((group) => group.connect(peers, 10_000)))
    const micros = await Promise.all(groups.map((group) => group.measure(1024, 20)))
    for (const one of micros) expect(one).toBeGreaterThan(0)
    for (const group of groups) group.close()
  })

  test('the CPU is measured', async () => {
    const speed = await addon.measureCpu(1)
    console.log(`${speed.kernels}: ${(speed.readBytesPerSecond / 1e9).toFixed(1)} GB/s, ${(speed.gemmFlops / 1e9).toFixed(0)} GFLOP/s`)
    expect(speed.readBytesPerSecond).toBeGreaterThan(1e8)
    expect(speed.gemmFlops).toBeGreaterThan(1e8)
  })
})
