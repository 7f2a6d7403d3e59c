/** What a KV cache in bf16 and in int8 changes, against one in f32; and that it takes what the planner says. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadTokenizer, wholeSplit } from '../../electron/models/models.ts'
import { kvBytesPerToken } from '../../electron/placement/model.ts'
import type { Golden } from './golden.ts'
import { small, writeMadeUpModel } from './made-up.ts'
import { fixtures, openRanks, part, readJson, ropeAlpha, unevenSplit, type Ranks, type RanksOptions } from './ranks.ts'

type Kv = NonNullable<RanksOptions['kv']>
const perSlot = 64
const mixtures = ['mixtral', 'qwen3_moe']

interface Answer {
  /** of every token: the prompt's and the answer's, [tokens, vocab] */
  logits: Float32Array
  /** the token that is the likeliest after each of them */
  greedy: number[]
}

const vocabOf = ({ facts }: Ranks) => facts.decoder.vocab

function likeliest(logits: Float32Array, vocab: number): number[] {
  const ids: number[] = []
  for (let at = 0; at < logits.length; at += vocab) {
    let best = 0
    for (let i = 1; i < vocab; i++) if (logits[at + i]! > logits[at + best]!) best = i
    ids.push(best)
  }
  return ids
}

async function read(ranks: Ranks, tokens: number[], promptLength: number): Promise<Answer> {
  const step = part(0, tokens, 0, { ropeAlpha: ropeAlpha(ranks.facts, promptLength), sample: null }, perSlot)
  const logits = (await ranks.step([step], { logits: true })).logits!
  return { logits, greedy: likeliest(logits, vocabOf(ranks)) }
}

interface Difference {
  largest: number
  mean: number
  equal: number
  compared: number
}

const open = (folder: string, kv: Kv) => openRanks(folder, { kv, maxStepTokens: 1024, blocks: perSlot })

/** Every prompt with the 32 tokens that the model with an f32 cache writes after it. */
async function compare(folder: string, prompts: number[][]): Promise<Record<'bf16' | 'int8', Difference>> {
  const exact = await open(folder, 'f32')
  const expected: { tokens: number[]; length: number; answer: Answer }[] = []
  for (const prompt of prompts) {
    const tokens = [...prompt]
    for (const sequence = part(0, prompt, 0, { ropeAlpha: ropeAlpha(exact.facts, prompt.length) }, perSlot); tokens.length < prompt.length + 32; ) {
      const start = tokens.length === prompt.length ? 0 : tokens.length - 1
      const { blocks } = part(0, tokens.slice(start), start, {}, perSlot)
      const { tokens: [next] } = await exact.step([{ ...sequence, tokens: tokens.slice(start), start, blocks }])
      tokens.push(next!.id)
    }
    expected.push({ tokens, length: prompt.length, answer: await read(exact, tokens, prompt.length) })
  }
  const differenceOf = async (kv: 'bf16' | 'int8'): Promise<Difference> => {
    const ranks = await open(folder, kv)
    const result = { largest: 0, mean: 0, equal: 0, compared: 0 }
    let count = 0
    for (const { tokens, length, answer } of expected) {
      const got = await read(ranks, tokens, length)
      answer.logits.forEach((value, i) => {
        if (value === -Infinity) return
        const error = Math.abs(got.logits[i]! - value)
        if (!(error <= result.largest)) result.largest = error
        result.mean += error
        count++
      })
      for (let i = length - 1; i < tokens.length - 1; i++, result.compared++) if (got.greedy[i] === answer.greedy[i]) result.equal++
    }
    await ranks.close()
    return { ...result, mean: result.mean / count }
  }
  const differences = { bf16: await differenceOf('bf16'), int8: await differenceOf('int8') }
  await exact.close()
  return differences
}

/**
 * Rounding to bf16 changes a value by 0.16 % of itself, root mean square. Steps of largest / 127 change it by largest / 440:
 * among 16 to 128 values as normal noise has them the largest is 2 to 2.8 times their size, so by 0.45 to 0.64 %, which is
 * three to four times as much. The differences of the logits must be in about that ratio, except in a mixture, where a token
 * whose experts score alike goes through another one, which weighs more than all rounding. Greedy tokens change only where
 * two are nearly as likely; of 128 and more, one in twenty would be too many.
 */
function check(name: string, { bf16, int8 }: Record<'bf16' | 'int8', Difference>): void {
  for (const [kv, { largest, mean, equal, compared }] of Object.entries({ bf16, int8 })) {
    console.log(`${name}, KV ${kv}: ${largest.toFixed(3)} at most, ${mean.toFixed(4)} in the mean; ${equal} of ${compared} greedy tokens equal`)
    expect(compared).toBeGreaterThanOrEqual(128)
    expect(equal / compared).toBeGreaterThan(0.95)
  }
  expect(bf16.mean).toBeGreaterThan(0)
  if (mixtures.includes(name)) return
  expect(int8.mean / bf16.mean).toBeGreaterThan(1.5)
  expect(int8.mean / bf16.mean).toBeLessThan(5)
}

const families = ['llama', 'qwen1', 'qwen2', 'qwen2-yarn', 'qwen3', 'mistral', 'mixtral', 'qwen3_moe', 'phi3', 'gemma2', 'gemma3']

describe.skipIf(!fixtures)('goldens, KV cache', () => {
  test.each(families)('%s', async (family) => {
    const folder = path.join(fixtures ?? '', family)
    const { prompts } = readJson(path.join(folder, 'golden.json')) as Golden
    check(family, await compare(folder, prompts.map(({ ids }) => ids)))
  })
})

const guide = path.resolve(import.meta.dirname, '../../build/guide-model/model')

test.skipIf(!existsSync(guide))('the built-in model, KV cache', async () => {
  const tokenizer = await loadTokenizer(guide)
  const text = readFileSync(path.join(guide, '../README.md'), 'utf8')
  const ids = tokenizer.encode(text)
  expect(ids.length).toBeGreaterThan(1000)
  check('the built-in model', await compare(guide, Array.from({ length: 5 }, (_, i) => ids.slice(200 * i, 200 * i + 50 * (i + 1)))))
})

describe('the KV cache', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lanyard-kv-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  // Head sizes that fill whole vectors and words, and one that fills neither.
  test.each([16, 64, 22])('takes what the planner says, heads of %i', async (headDim) => {
    const model = path.join(folder, String(headDim))
    writeMadeUpModel(model, { ...small, headDim })
    for (const kv of ['f32', 'bf16', 'int8'] as const) {
      for (const fractions of [[], [0.4]]) {
        const whole = await openRanks(model, { kv, blocks: 7 })
        const splits = fractions.length === 0 ? [wholeSplit(whole.facts.decoder)] : unevenSplit(whole.facts, fractions)
        const ranks = fractions.length === 0 ? whole : await openRanks(model, { kv, blocks: 7, splits })
        const planned = splits.map((split) => 7 * 16 * kvBytesPerToken(ranks.facts.decoder, split, kv))
        expect(ranks.engines.map((engine) => engine.stats().kvBytes)).toEqual(planned)
        await ranks.close()
        if (ranks !== whole) await whole.close()
      }
    }
  })

  test('is refused in other types, with a sentence', async () => {
    const model = path.join(folder, 'refused')
    writeMadeUpModel(model)
    await expect(openRanks(model, { kv: 'fp8' as Kv })).rejects.toThrow('kv.dtype is not f32, bf16 or int8.')
  })
})

test.runIf(!fixtures)('the golden models are not beside this checkout', () => {
  console.log('Left out: the KV cache on golden models (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
