/** Attention over a latent (DeepSeek): what must hold for any cut, cache and type of weights, on the golden models' weights. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RankSplit } from '../../electron/contract/engine.ts'
import { modelFacts } from '../../electron/models/models.ts'
import { readGolden, writeGoldenModel } from '../../electron/models/testing/goldens/golden.ts'
import { kvBytesPerToken } from '../../electron/placement/model.ts'
import { splitsOf } from '../../electron/placement/split.ts'
import { chunked, openRanks, part, type Ranks, type RanksOptions, unevenSplit, worst } from './ranks.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'lanyard-latent-'))
afterAll(() => rmSync(folder, { recursive: true }))

const names = ['deepseek_v2-lite', 'deepseek_v2', 'deepseek_v3', 'deepseek_v3-moonlight']
const perSlot = 48

/** Longer sequences than the goldens have; their frequencies follow from the original length. */
const goldenOf = (name: string) => {
  const golden = readGolden(name)
  return { ...golden, config: { ...golden.config, max_position_embeddings: 1024 } }
}
const factsOf = (name: string) => modelFacts(goldenOf(name).config)
beforeAll(() => {
  for (const name of names) writeGoldenModel(path.join(folder, name), goldenOf(name))
})

const vocab = 264
const prompt = (length: number, seed = 1) => Array.from({ length }, (_, i) => (i * 37 + seed * 101 + (i * i) % 11) % 256)

async function withRanks<T>(name: string, splits: RankSplit[] | null, body: (ranks: Ranks) => Promise<T>, options: RanksOptions = {}): Promise<T> {
  const ranks = await openRanks(path.join(folder, name), {
    ...(splits ? { splits } : {}), blocks: 4 * perSlot, maxStepTokens: 1024, maxSequences: 4, ...options,
  })
  try {
    return await body(ranks)
  } finally {
    await ranks.close()
  }
}

const whole = (name: string, tokens: number[], options: RanksOptions = {}, splits: RankSplit[] | null = null) =>
  withRanks(name, splits, (ranks) => chunked(ranks, tokens, [tokens.length]), options)

const deviationOf = (logits: Float32Array) => Math.sqrt(logits.reduce((sum, x) => sum + x * x, 0) / logits.length)

/**
 * The median token's mean error, relative to the deviation of the exact logits: where two experts score alike, a token goes
 * through another one, which weighs more than all rounding.
 */
function medianError(logits: Float32Array, exact: Float32Array): number {
  const errors = Array.from({ length: logits.length / vocab }, (_, token) => {
    let sum = 0
    for (let i = token * vocab; i < (token + 1) * vocab; i++) sum += Math.abs(logits[i]! - exact[i]!)
    return sum / vocab
  }).sort((a, b) => a - b)
  return errors[errors.length >> 1]! / deviationOf(exact)
}

const caches = ['f32', 'bf16', 'int8'] as const
const ways = [...caches.map((kv) => ({ kv, compute: 'exact' as const })), { kv: 'bf16' as const, compute: 'fast' as const }]

describe.each(['deepseek_v2-lite', 'deepseek_v3'])('%s', (name) => {
  test.each(ways)('KV in $kv, $compute: in chunks the very logits of the whole prompt, over several splits of the keys', async (way) => {
    const tokens = prompt(600)
    await withRanks(name, null, async (ranks) => {
      const all = await chunked(ranks, tokens, [600])
      expect(await chunked(ranks, tokens, [1, 16, 15, 33, 200, 300, 35])).toEqual(all)
    }, way)
  })

  test.each(ways)('KV in $kv, $compute: a prefix that another sequence has written gives the very logits of reading it again', async (way) => {
    const tokens = prompt(100)
    await withRanks(name, null, async (ranks) => {
      const all = await chunked(ranks, tokens, [100])
      const [known, own] = [0, 2].map((slot) => part(slot, tokens, 0, {}, perSlot).blocks!)
      const step = part(2, tokens.slice(64), 64, { sample: null, blocks: [...known!.slice(0, 4), ...own!.slice(4)] }, perSlot)
      expect((await ranks.step([step], { logits: true })).logits!).toEqual(all.slice(64 * vocab))
    }, way)
  })

  test.each(ways)('KV in $kv, $compute: the same logits alone, in a mixed batch, with any number of threads and size of blocks', async (way) => {
    const tokens = prompt(530)
    const last = (others: ReturnType<typeof part>[]) => async (ranks: Ranks) => {
      await chunked(ranks, tokens, [529])
      if (others.length > 0) await chunked(ranks, prompt(40, 7), [40], 1)
      const own = part(0, tokens.slice(-1), 529, { sample: null }, perSlot)
      const { logits } = await ranks.step([...others, own], { logits: true })
      return logits!.slice(logits!.length - vocab)
    }
    const alone = await withRanks(name, null, last([]), way)
    const others = [part(1, [9], 40, { sample: null }, perSlot), part(2, prompt(90, 3), 0, { sample: null }, perSlot)]
    expect(await withRanks(name, null, last(others), { ...way, threads: 3 })).toEqual(alone)
    const wide = await withRanks(name, null, async (ranks) => {
      // The test's blocks count 16 positions: these are every eighth of them.
      const step = { ...part(0, tokens, 0, { sample: null }, perSlot), blocks: [4, 3, 2, 1, 0] }
      const { logits } = await ranks.step([step], { logits: true })
      return logits!.slice(logits!.length - vocab)
    }, { ...way, blockSize: 128, blocks: 8 })
    expect(wide).toEqual(alone)
  })
})

describe.each(names)('%s', (name) => {
  // What the planner makes of any shares, ranks without one among them.
  test('plans of random shares give what one rank gives', async () => {
    const tokens = prompt(70)
    const one = await whole(name, tokens)
    const deviation = deviationOf(one)
    for (const size of [2, 3, 5]) {
      const plans = fc.sample(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: size, maxLength: size }).filter((shares) => shares.some((n) => n > 0)),
        { numRuns: 3, seed: size + 10 * names.indexOf(name) },
      )
      for (const shares of plans) {
        const some = await whole(name, tokens, {}, splitsOf(factsOf(name).decoder, shares))
        expect(medianError(some, one), shares.join(':')).toBeLessThan(1e-5)
        expect(worst(some, one) / deviation, shares.join(':')).toBeLessThan(5e-5)
      }
    }
  })

  test.each(caches)('KV in %s takes what the planner says, on every rank with heads', async (kv) => {
    const { decoder } = factsOf(name)
    const heads = decoder.queryHeads
    const splits = unevenSplit(factsOf(name), [0.3, 0.6], [1, heads])
    await withRanks(name, splits, async (ranks) => {
      const planned = splits.map((split) => 7 * 16 * kvBytesPerToken(decoder, split, kv))
      expect(ranks.engines.map((engine) => engine.stats().kvBytes)).toEqual(planned)
      expect(planned[0]).toBe(planned[1])
      expect(planned[2]).toBe(0)
    }, { kv, blocks: 7 })
  })

  test('KV in bf16 and int8, fast products, int8 and int4 weights change little', async () => {
    const tokens = prompt(70)
    const exact = await whole(name, tokens)
    const cases = {
      bf16: { kv: 'bf16' }, int8: { kv: 'int8' }, fast: { compute: 'fast' }, 'weights in int8': { weights: 'int8' },
      'weights in int4': { weights: 'int4' }, 'weights in int4, fast': { weights: 'int4', compute: 'fast' },
    } as const satisfies Record<string, RanksOptions>
    const errors: Record<string, number> = {}
    for (const [what, options] of Object.entries(cases)) errors[what] = medianError(await whole(name, tokens, options), exact)
    console.log(`${name}: relative logit error`, Object.entries(errors).map(([what, error]) => `${what} ${error.toExponential(1)}`).join(', '))
    for (const error of Object.values(errors)) expect(error).toBeGreaterThan(0)
    expect(errors['bf16']).toBeLessThan(0.03)
    expect(errors['int8']).toBeLessThan(0.06)
    expect(errors['fast']).toBeLessThan(0.03)
    expect(errors['weights in int8']).toBeLessThan(0.15)
    expect(errors['weights in int4']).toBeLessThan(0.8)
  })
})

const block = 128

/** The nearest e4m3 byte to a value within its range, and what it stands for. */
function e4m3(value: number): { byte: number; value: number } {
  const size = Math.abs(value)
  const exponent = Math.max(Math.floor(Math.log2(size || 1)), -6)
  const steps = Math.round(size / 2 ** (exponent - 3))
  // The sixteenth step is the next exponent's first.
  const [e, m] = steps === 16 ? [exponent + 1, 8] : [exponent, steps]
  const byte = m < 8 ? m : ((e + 7) << 3) | (m - 8)
  return { byte: value < 0 ? byte | 0x80 : byte, value: Math.sign(value) * m * 2 ** (e - 3) }
}

interface Stored {
  dtype: string
  shape: number[]
  bytes: Uint8Array
}

function writeTensors(file: string, tensors: Map<string, Stored>): void {
  let at = 0
  const header = [...tensors].map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, data_offsets: [at, (at += bytes.length)] }])
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  writeFileSync(file, Buffer.concat([length, json, ...[...tensors.values()].map(({ bytes }) => bytes)]))
}

/**
 * A golden model in the form V3 is published in, FP8 in blocks of 128 x 128, and the same values in bf16. Scales are powers
 * of two, so that bf16 holds every product exactly.
 */
function writeFp8(name: string): { fp8: string; plain: string } {
  const file = readFileSync(path.join(folder, name, 'model.safetensors'))
  const start = 8 + Number(file.readBigUInt64LE(0))
  const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, start)) as Record<string, { shape: number[]; data_offsets: [number, number] }>
  const packed = new Map<string, Stored>()
  const plain = new Map<string, Stored>()
  for (const [tensor, { shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const bytes = file.subarray(start + from, start + to)
    const [rows, cols] = shape as [number, number]
    if (shape.length !== 2 || /embed_tokens|lm_head|mlp\.gate\./.test(tensor)) {
      for (const all of [packed, plain]) all.set(tensor, { dtype: 'BF16', shape, bytes })
      continue
    }
    const grid = [Math.ceil(rows / block), Math.ceil(cols / block)]
    const values = new Uint8Array(rows * cols)
    const scales = new Float32Array(grid[0]! * grid[1]!)
    const halves = new Uint16Array(rows * cols)
    const word = new DataView(new ArrayBuffer(4))
    const valueAt = (i: number) => {
      word.setUint32(0, bytes.readUInt16LE(2 * i) << 16)
      return word.getFloat32(0)
    }
    let largest = 0
    for (let i = 0; i < rows * cols; i++) largest = Math.max(largest, Math.abs(valueAt(i)))
    for (let i = 0; i < rows * cols; i++) {
      const place = Math.floor(i / cols / block) * grid[1]! + Math.floor((i % cols) / block)
      // Neighbouring blocks have others; the finest makes 256 of the largest value, of 448 there are.
      const scale = (scales[place] = 2 ** (Math.ceil(Math.log2(largest)) - 8 + (place % 3)))
      const near = e4m3(valueAt(i) / scale)
      values[i] = near.byte
      word.setFloat32(0, near.value * scale)
      halves[i] = word.getUint16(0)
    }
    packed.set(tensor, { dtype: 'F8_E4M3', shape, bytes: values })
    packed.set(`${tensor}_scale_inv`, { dtype: 'F32', shape: grid, bytes: new Uint8Array(scales.buffer) })
    plain.set(tensor, { dtype: 'BF16', shape, bytes: new Uint8Array(halves.buffer) })
  }
  const { config } = goldenOf(name)
  const quantization_config = { quant_method: 'fp8', fmt: 'e4m3', activation_scheme: 'dynamic', weight_block_size: [block, block] }
  const write = (suffix: string, tensors: Map<string, Stored>, more: object) => {
    const to = path.join(folder, `${name}-${suffix}`)
    mkdirSync(to)
    writeFileSync(path.join(to, 'config.json'), JSON.stringify({ ...config, ...more }))
    writeTensors(path.join(to, 'model.safetensors'), tensors)
    return path.basename(to)
  }
  return { fp8: write('fp8', packed, { quantization_config }), plain: write('plain', plain, {}) }
}

test('FP8 in blocks of 128 x 128 gives what its values give in bf16, on any cut', async () => {
  const { fp8, plain } = writeFp8('deepseek_v3')
  const tokens = prompt(50)
  const exact = await whole(plain, tokens)
  expect(deviationOf(exact)).toBeGreaterThan(1)
  for (const fractions of [[], [0.37], [0.21, 0.68]]) {
    const splits = unevenSplit(factsOf('deepseek_v3'), fractions)
    for (const weights of ['stored', 'f32'] as const) {
      const got = await whole(fp8, tokens, { weights }, splits)
      expect(worst(got, exact) / deviationOf(exact), `${splits.length} ranks, ${weights}`).toBeLessThan(5e-5)
    }
  }
  // Kept in 8 bits: but for the table of the vocabulary's rows and what makes keys and values.
  const [kept, unpacked] = await Promise.all(
    [fp8, plain].map((name) => withRanks(name, null, (ranks) => Promise.resolve(ranks.engine.stats().weightBytes))),
  )
  expect(kept! / unpacked!).toBeLessThan(0.8)
})
