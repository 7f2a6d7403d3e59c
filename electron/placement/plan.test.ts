import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DecoderSpec, RankSplit } from '../contract/engine.ts'
import { makePlan, type PlanDevice, type PlanModel, requireFit } from './placement.ts'
import { allReduceSeconds } from './speed.ts'

/** Qwen-14B-Chat: 40 layers of 5120, 40 heads, FFN 13696, 152064 rows; 28 GB in bf16. */
const decoder = {
  hidden: 5120,
  layers: 40,
  queryHeads: 40,
  kvHeads: 40,
  headDim: 128,
  ffn: 13_696,
  vocab: 152_064,
  context: 8192,
} as DecoderSpec

const model: PlanModel = {
  id: 'm1',
  name: 'Qwen-14B',
  decoder,
  storedBytes: 2,
  sizesOf: (split: RankSplit) => ({
    attention: decoder.layers * decoder.hidden * 128 * (2 * split.queryHeads.count + 2 * split.kvHeads.count),
    ffn: decoder.layers * 3 * decoder.hidden * split.ffn.count,
    ffnActive: decoder.layers * 3 * decoder.hidden * split.ffn.count,
    head: decoder.hidden * split.vocab.count,
    table: decoder.hidden * decoder.vocab,
    other: decoder.layers * 2 * decoder.hidden,
  }),
}

const gigabyte = 1e9

function device(
  name: string,
  memory: number,
  speed: number | null = 5e11,
  extra: Partial<PlanDevice> = {},
): PlanDevice {
  return {
    machineId: name,
    machineName: name,
    kind: 'cuda',
    index: 0,
    name: 'A10',
    threads: 1,
    memoryFree: memory * gigabyte,
    memoryTotal: memory * gigabyte,
    readBytesPerSecond: speed,
    gemmFlops: 1e14,
    ...extra,
  }
}

const planError = (make: () => unknown) => {
  try {
    make()
  } catch (error) {
    return error as { code: string; message: string; hint: string }
  }
  throw new Error('nothing was refused')
}

describe('a plan', () => {
  test('puts the article’s model on two 24 GB cards, though it fits on neither', () => {
    const one = makePlan({ model, devices: [device('a', 24)] })
    expect(one.fits).toBe(false)
    const two = makePlan({ model, devices: [device('a', 24), device('b', 24)] })
    expect(two.fits).toBe(true)
    expect(two.ranks.map((rank) => rank.split.queryHeads.count)).toEqual([20, 20])
    expect(two.alternatives.map(({ title, fits }) => [title, fits])).toEqual([
      ['Only a', false],
      ['Only b', false],
    ])
  })

  test('that does not fit says by how much and what would, and is refused with both', () => {
    const plan = makePlan({ model, devices: [device('a', 24)], context: 2048 })
    expect(plan.shortBy).toBeGreaterThan(5 * gigabyte)
    const refused = planError(() => requireFit(plan))
    expect(refused).toMatchObject({ code: 'plan_too_big' })
    expect(refused.message).toMatch(/\d+(\.\d)? GB/)
    expect(refused.hint).toContain('int8')
    // What it says would fit does fit.
    expect(makePlan({ model, devices: [device('a', 24)], context: 2048, weights: 'int8' }).fits).toBe(true)
  })

  test('keeps keys and values as asked, and says where int8 would make it fit', () => {
    const plan = (kvDtype?: 'f32' | 'bf16' | 'int8', memory = 80) =>
      makePlan({ model, devices: [device('a', memory)], context: 8192, maxSequences: 4, kvDtype })
    const kv = (dtype?: 'f32' | 'bf16' | 'int8') => plan(dtype).ranks[0]!.memory.kv
    expect([plan().kvDtype, plan('int8').kvDtype]).toEqual(['bf16', 'int8'])
    expect([kv('f32') / kv('bf16'), kv() / kv('bf16'), kv('int8') / kv('bf16')]).toEqual([2, 1, 132 / 256])
    // Between what bf16 and what int8 needs.
    const [large, small] = [plan(), plan('int8')].map(({ ranks }) => ranks[0]!.memory.total / gigabyte / 0.95)
    const between = (large! + small!) / 2
    expect(plan(undefined, between).fits).toBe(false)
    expect(plan(undefined, between).wouldFit.join(' ')).toContain('the KV cache in int8')
    expect(plan('int8', between).fits).toBe(true)
    expect(plan('int8', small! / 2).wouldFit.join(' ')).not.toContain('KV cache in int8')
    expect(plan('int8').predicted.tokensPerSecond).toBeGreaterThan(plan().predicted.tokensPerSecond)
  })

  test('gives shares by speed, but no more than fits', () => {
    const fast = makePlan({ model, devices: [device('a', 80, 1e12), device('b', 80, 5e11)] })
    expect(fast.ranks[0]!.share).toBeCloseTo(2 / 3, 1)
    const small = makePlan({ model, devices: [device('a', 16, 1e12), device('b', 80, 5e11)] })
    expect(small.fits).toBe(true)
    expect(small.ranks[0]!.memory.total).toBeLessThan(16 * gigabyte)
    expect(small.ranks[0]!.share).toBeLessThan(0.5)
  })

  test('takes the shares it is given, zero included', () => {
    const plan = makePlan({ model, devices: [device('a', 80), device('b', 80), device('c', 80)], shares: [3, 1, 0] })
    expect(plan.ranks.map((rank) => rank.split.ffn.count)).toEqual([10_272, 3424, 0])
    expect(plan.warnings.join(' ')).toContain('c (GPU 0) gets nothing to do')
  })

  test('says when one machine alone would be faster', () => {
    const slowLink = [
      { between: ['a', 'b'] as [string, string], latencySeconds: 2e-3, bytesPerSecond: 1e8, measured: true },
    ]
    const plan = makePlan({ model, devices: [device('a', 80), device('b', 80)], links: slowLink })
    expect(plan.warnings.join(' ')).toMatch(/Only [ab] is predicted to be faster/)
    expect(plan.predicted.source).toBe('measured on your machines')
  })

  test('counts what is on the wire', () => {
    const devices = [device('a', 80), device('b', 80)]
    const [f32, bf16, int8] = (['f32', undefined, 'int8'] as const).map((wire) => makePlan({ model, devices, wire }))
    expect(bf16!.wire).toBe('bf16')
    expect(f32!.bytesPerToken / bf16!.bytesPerToken).toBe(2)
    expect(int8!.bytesPerToken / bf16!.bytesPerToken).toBe(1.0625 / 2)
    expect(int8!.predicted.allReduceMs).toBeLessThan(bf16!.predicted.allReduceMs)
    expect(int8!.predicted.firstTokenSeconds).toBeLessThan(bf16!.predicted.firstTokenSeconds)
    expect(makePlan({ model, devices, weights: 'f32' }).wire).toBe('f32')
  })

  test('shares one device’s memory, cores and speed among its ranks', () => {
    const cpu = device('a', 64, 2e10, { kind: 'cpu', threads: 8 })
    const plan = makePlan({ model, devices: [cpu, cpu, cpu] })
    expect(plan.ranks.map((rank) => rank.device.threads)).toEqual([2, 2, 2])
    const tight = device('a', 40, 2e10, { kind: 'cpu', threads: 8 })
    expect(makePlan({ model, devices: [tight, tight, tight], context: 512, maxSequences: 1 }).fits).toBe(true)
    const tooTight = device('a', 28, 2e10, { kind: 'cpu', threads: 8 })
    expect(makePlan({ model, devices: [tooTight, tooTight, tooTight], context: 512, maxSequences: 1 }).fits).toBe(false)
  })

  test.each([
    ['no device', { devices: [] }, 'No device'],
    ['too few shares', { shares: [1] }, '1 shares were given for 2'],
    ['only zero shares', { shares: [0, 0] }, 'at least one above 0'],
    ['a negative share', { shares: [1, -1] }, '0 or more'],
    ['a context of nothing', { context: 0 }, 'context of 0'],
    ['more context than the model reads', { context: 9000 }, 'at most 8192'],
    ['too many sequences', { maxSequences: 2000 }, '2000 sequences'],
  ])('with %s is refused', (_, change, words) => {
    const refused = planError(() => makePlan({ model, devices: [device('a', 80), device('b', 80)], ...change }))
    expect(refused).toMatchObject({ code: 'plan_invalid' })
    expect(refused.message).toContain(words)
    expect(refused.hint).not.toBe('')
  })

  test('of any devices covers the model once, and fits exactly where every device has room', () => {
    const devices = fc.array(
      fc.record({ memory: fc.integer({ min: 1, max: 96 }), speed: fc.integer({ min: 10, max: 2000 }) }),
      { minLength: 1, maxLength: 6 },
    )
    fc.assert(
      fc.property(devices, (list) => {
        const plan = makePlan({
          model,
          devices: list.map(({ memory, speed }, n) => device(`m${n}`, memory, speed * 1e9)),
        })
        const count = (axis: 'queryHeads' | 'ffn' | 'vocab') =>
          plan.ranks.reduce((sum, rank) => sum + rank.split[axis].count, 0)
        expect([count('queryHeads'), count('ffn'), count('vocab')]).toEqual([40, 13_696, 152_064])
        const roomy = plan.ranks.every((rank) => rank.memory.total <= rank.memory.free * 0.95)
        expect(plan.fits).toBe(roomy)
        expect(plan.shortBy > 0).toBe(!plan.fits)
        expect(plan.ranks.reduce((sum, rank) => sum + rank.share, 0)).toBeCloseTo(1)
        if (!plan.fits) expect(plan.wouldFit.length).toBeGreaterThan(0)
      }),
      { numRuns: 60 },
    )
  })
})

test('an all-reduce takes longer with more bytes, more ranks and a slower link, and none for one rank', () => {
  const link = { latencySeconds: 1e-4, bytesPerSecond: 1.18e8 }
  expect(allReduceSeconds(10_240, 1, link)).toBe(0)
  const two = allReduceSeconds(10_240, 2, link)
  expect(two).toBeGreaterThan(link.latencySeconds + 10_240 / link.bytesPerSecond)
  expect(allReduceSeconds(20_480, 2, link)).toBeGreaterThan(two)
  expect(allReduceSeconds(10_240, 4, link)).toBeGreaterThan(two)
  expect(allReduceSeconds(10_240, 2, { ...link, latencySeconds: 2e-4 })).toBeGreaterThan(two)
  // Ten megabytes over four ranks: in two steps each sends 1.5 payloads instead of 3.
  expect(allReduceSeconds(1e7, 4, link)).toBeLessThan((2 * 1e7) / link.bytesPerSecond)
})
