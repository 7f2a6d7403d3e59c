/** The pure sampler against vLLM's rules as the fixtures state them. */
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { defaultSampling, type SamplingParams } from '../../electron/contract/engine.ts'
import { fixtures, readJson, testing } from './ranks.ts'

interface Case {
  name: string
  logits: string
  prompt_ids: number[]
  output_ids: number[]
  params: Record<string, unknown>
  kept: number
  argmax: number
  probs: Record<string, number>
}

interface Goldens {
  logits: Record<string, (number | null)[]>
  cases: Case[]
}

const names: Record<string, keyof SamplingParams> = {
  temperature: 'temperature', top_k: 'topK', top_p: 'topP', min_p: 'minP', repetition_penalty: 'repetitionPenalty',
  presence_penalty: 'presencePenalty', frequency_penalty: 'frequencyPenalty',
}

function paramsOf(given: Record<string, unknown>): SamplingParams {
  const params: Record<string, unknown> = { ...defaultSampling, seed: 1 }
  for (const [name, value] of Object.entries(given)) if (names[name]) params[names[name]] = value
  const bias = (given['logit_bias'] ?? {}) as Record<string, number>
  return { ...(params as SamplingParams), logitBias: Object.entries(bias).map(([id, value]) => [Number(id), value]) }
}

/** Tokens that other parts of a request forbid before sampling: allowed ids, bad words, stop ids while too few tokens. */
function masked(logits: (number | null)[], one: Case): number[] {
  const out = logits.map((value) => value ?? -Infinity)
  const allowed = one.params['allowed_token_ids'] as number[] | undefined
  const words = (one.params['bad_words_token_ids'] ?? []) as number[][]
  const all = [...one.prompt_ids, ...one.output_ids]
  for (const word of words) {
    const before = word.slice(0, -1)
    if (before.every((id, i) => all.at(i - before.length) === id)) out[word.at(-1)!] = -Infinity
  }
  if (one.output_ids.length < Number(one.params['min_tokens'] ?? 0)) {
    for (const id of one.params['stop_token_ids'] as number[]) out[id] = -Infinity
  }
  return allowed ? out.map((value, id) => (allowed.includes(id) ? value : -Infinity)) : out
}

describe.skipIf(!fixtures)('sampling goldens', () => {
  const goldens = fixtures ? (readJson(path.join(fixtures, 'sampling/golden.json')) as Goldens) : { logits: {}, cases: [] }
  test.each(goldens.cases)('$name', (one) => {
    const probabilities = testing.sampleProbabilities(
      masked(goldens.logits[one.logits]!, one), paramsOf(one.params), [...one.prompt_ids, ...one.output_ids], one.prompt_ids.length)
    let worst = 0
    probabilities.forEach((p, id) => {
      worst = Math.max(worst, Math.abs(p - (one.probs[id] ?? 0)))
    })
    expect(worst).toBeLessThan(1e-4)
    expect(probabilities.filter((p) => p > 0).length).toBeGreaterThanOrEqual(Object.keys(one.probs).length)
    if (one.kept < probabilities.length) expect(probabilities.filter((p) => p > 0).length).toBe(one.kept)
    expect(probabilities.indexOf(Math.max(...probabilities))).toBe(one.argmax)
  })
})

describe('the sampler', () => {
  const logits = [1, 3, 3, 0, -2]
  test('greedy takes the lowest id of equal logits', () => {
    expect([...testing.sampleProbabilities(logits, { ...defaultSampling, temperature: 0 }, [], 0)]).toEqual([0, 1, 0, 0, 0])
  })
  test('a banned token is never drawn', () => {
    const probabilities = testing.sampleProbabilities(logits, { ...defaultSampling, logitBias: [[1, -Infinity]] }, [], 0)
    expect(probabilities[1]).toBe(0)
    expect(probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1)
  })
})

test.runIf(!fixtures)('the sampling goldens are not beside this checkout', () => {
  console.log('Left out: sampling goldens (../shared/fixtures is absent).')
  expect(fixtures).toBeNull()
})
