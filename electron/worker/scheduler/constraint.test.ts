/** Sequences whose next tokens are decided on elsewhere, token by token. */
import { describe, expect, test } from 'vitest'
import { range, requestOf, roomy } from '../testing/requests.ts'
import { createSimulatedModel, generateAlone } from '../testing/simulated-model.ts'
import { createScheduler } from './scheduler.ts'
import type { Scheduler, SchedulerOptions, StepPlan } from './scheduler.ts'
import type { Constraint } from './sequence.ts'

describe('constrained sequences', () => {
  /** Its mask comes after so many looks at it; what it took and how often it was closed. */
  function slowConstraint(looks: number) {
    let left = looks
    const seen = { taken: [] as number[], closed: 0 }
    const constraint: Constraint = {
      get mask(): Constraint['mask'] {
        if (left > 0) {
          left--
          return null
        }
        return { kind: 'ids', words: Int32Array.of(1) }
      },
      take(token) {
        seen.taken.push(token)
        left = looks
      },
      close: () => void seen.closed++,
    }
    return { constraint, seen }
  }

  /** Steps while others or the constraint keep it going. */
  function run(scheduler: Scheduler, options: SchedulerOptions) {
    const model = createSimulatedModel(options.blocks, options.blockSize)
    const out = new Map<string, number[]>()
    const plans: StepPlan[] = []
    for (let turns = 0; turns < 2000; turns++) {
      scheduler.checkIntegrity()
      const plan = scheduler.plan()
      if (!plan) {
        if (scheduler.counts().running + scheduler.counts().waiting === 0) break
        continue
      }
      plans.push(plan)
      const { tokens } = scheduler.complete(plan, model.step(plan.sequences))
      for (const { requestId, token } of tokens) out.set(requestId, [...(out.get(requestId) ?? []), token.id])
    }
    return { out, plans }
  }

  test('one waits for its mask alone: its prompt is read up to the last token, and others go on', () => {
    const scheduler = createScheduler(roomy)
    const { constraint, seen } = slowConstraint(9)
    scheduler.submit(requestOf('held', range(30)), constraint)
    scheduler.submit(requestOf('free', range(5, 3), { maxTokens: 40 }))
    const { out, plans } = run(scheduler, roomy)
    expect(out.get('held')).toEqual(generateAlone(requestOf('held', range(30)), 1).tokens)
    expect(out.get('free')).toEqual(generateAlone(requestOf('free', range(5, 3), { maxTokens: 40 }), 1).tokens)
    // Every token but the last was taken; the end closed it.
    expect(seen.taken).toEqual(out.get('held')!.slice(0, -1))
    expect(seen.closed).toBe(1)
    const steps = plans.flatMap(({ sequences }) => sequences)
    // Masks are where a constrained sequence samples, and nowhere else.
    expect(steps.filter((step) => step.mask).length).toBe(8)
    expect(steps.every((step) => !step.mask || step.sample)).toBe(true)
    const alone = plans.filter(({ sequences }) => sequences.length === 1 && sequences[0]!.promptLength === 5)
    expect(alone.length).toBeGreaterThan(5)
  })

  test('one that gives way keeps its place in its format', () => {
    const options = { ...roomy, blocks: 9 }
    const scheduler = createScheduler(options)
    const { constraint, seen } = slowConstraint(2)
    const other = requestOf('old', range(12), { maxTokens: 20 })
    const own = requestOf('held', range(10, 5), { maxTokens: 16 })
    scheduler.submit(other)
    scheduler.submit(own, constraint)
    const { out } = run(scheduler, options)
    expect(scheduler.counts().preempted).toBeGreaterThan(0)
    expect(out.get('old')).toEqual(generateAlone(other, 1).tokens)
    expect(out.get('held')).toEqual(generateAlone(own, 1).tokens)
    expect([seen.taken, seen.closed]).toEqual([out.get('held')!.slice(0, -1), 1])
  })

  test('an end from outside closes it, in a step or not', () => {
    const scheduler = createScheduler(roomy)
    const { constraint, seen } = slowConstraint(0)
    scheduler.submit(requestOf('a', range(5)), constraint)
    const plan = scheduler.plan()!
    expect(scheduler.end('a', 'stop', null)).toMatchObject({ requestId: 'a', reason: 'stop', problem: null })
    expect(scheduler.end('a', 'stop', null)).toBeNull()
    expect(scheduler.complete(plan, createSimulatedModel(64, 4).step(plan.sequences)).tokens).toEqual([])
    expect([seen.taken, seen.closed]).toEqual([[], 1])
    scheduler.checkIntegrity()
  })
})
