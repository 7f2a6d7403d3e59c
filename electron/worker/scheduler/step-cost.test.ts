import { describe, expect, it } from 'vitest'
import { createStepCost } from './step-cost.ts'

/** A computer on which a step takes `base` µs, a guess `guess` more and a prompt token `prompt` more. */
function learnt(base: number, guess: number, prompt: number) {
  const cost = createStepCost()
  for (let n = 0; n < 200; n++) {
    cost.measured({ sequences: 4, guesses: 0, prompt: 0, micros: base })
    cost.measured({ sequences: 4, guesses: 3, prompt: 0, micros: base + 3 * guess })
    cost.measured({ sequences: 4, guesses: 0, prompt: 100, micros: base + 100 * prompt })
  }
  return cost
}

describe('step cost', () => {
  it('knows no bound before a prompt was measured', () => {
    expect(createStepCost().promptWithin(80_000, 1.6)).toBe(Infinity)
  })

  it('fills a step up to the time given, less what its generating sequences take', () => {
    expect(learnt(20_000, 2000, 500).promptWithin(80_000, 1.6)).toBeCloseTo((80_000 - 20_000) / 500, 0)
  })

  it('gives slow steps a share for prompts all the same', () => {
    expect(learnt(400_000, 2000, 500).promptWithin(80_000, 1.6)).toBeCloseTo((0.6 * 400_000) / 500, 0)
  })

  it('knows what one more token costs as a part of a step', () => {
    expect(createStepCost().ofOneMore()).toBe(0.1)
    expect(learnt(20_000, 2000, 500).ofOneMore()).toBeCloseTo(0.1, 2)
    expect(learnt(20_000, 10_000, 500).ofOneMore()).toBeCloseTo(0.5, 1)
  })

  it('ignores prompts of a few tokens, whose steps cost what steps cost', () => {
    const cost = learnt(20_000, 2000, 500)
    for (let n = 0; n < 100; n++) cost.measured({ sequences: 4, guesses: 0, prompt: 2, micros: 90_000 })
    expect(cost.promptWithin(80_000, 1.6)).toBeCloseTo(120, 0)
  })
})
