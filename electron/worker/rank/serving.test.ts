import { describe, expect, test } from 'vitest'
import { problemOf } from '../../contract/errors.ts'
import type { StepEvent } from '../../contract/worker.ts'
import type { Engine, SequenceStep, StepResult } from './addon.ts'
import { generateOf, specOf } from '../testing/worker-process.ts'
import { createServing } from './serving.ts'

/** An engine whose steps end when the test says so. */
function createHandEngine() {
  const steps: { sequences: SequenceStep[]; end: PromiseWithResolvers<StepResult> }[] = []
  const aborted: string[] = []
  const engine: Engine = {
    step(sequences) {
      const end = Promise.withResolvers<StepResult>()
      steps.push({ sequences, end })
      return end.promise
    },
    follow: () => Promise.resolve(),
    stats: () => ({
      weightBytes: 0,
      kvBytes: 0,
      workspaceBytes: 0,
      steps: 0,
      tokens: 0,
      micros: { total: 0, comm: 0 },
      kernels: '',
    }),
    abort(reason) {
      aborted.push(reason)
      for (const { end } of steps) end.reject(Object.assign(new Error('aborted'), { code: 'aborted' }))
    },
    close: () => undefined,
  }
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve)
    })
  let given = 0
  return {
    engine,
    steps,
    aborted,
    turn,
    /** ends the oldest step that runs with these ids for the sequences that wanted one */
    give: async (...ids: number[]): Promise<void> => {
      const { sequences, end } = steps[given++]!
      const wanting = sequences.filter((step) => step.sample)
      end.resolve({
        tokens: wanting.map(({ slot }, n) => ({
          slot,
          id: ids[n]!,
          logprob: -Infinity,
          top: [{ id: 1, logprob: -0.5 }],
        })),
        micros: { total: 100, comm: 10, sample: 1, idle: 7 },
      })
      await turn()
    },
  }
}

function start() {
  const hand = createHandEngine()
  const events: StepEvent[] = []
  const serving = createServing(hand.engine, specOf(), (event) => events.push(event), problemOf)
  serving.done.catch(() => undefined)
  return { ...hand, events, serving }
}

describe('serving', () => {
  test('the next step runs before the tokens of the last one are told', async () => {
    const { serving, events, steps, give } = start()
    serving.submit(generateOf('a', [1, 2], { maxTokens: 2 }))
    expect(events).toEqual([
      { tokens: [], ended: [], waiting: [{ requestId: 'a', queued: 0, promptDone: 0, promptTotal: 2 }] },
    ])
    await give(7)
    expect(steps).toHaveLength(2)
    expect(steps[1]!.sequences[0]).toMatchObject({ tokens: [7], start: 2, drawn: 1 })
    expect(events[1]).toEqual({
      tokens: [{ requestId: 'a', tokens: [{ id: 7, logprob: -9999, top: [{ id: 1, logprob: -0.5 }] }] }],
      ended: [],
      waiting: [],
    })
    await give(8)
    expect(steps).toHaveLength(2)
    expect(events[2]).toMatchObject({ tokens: [{ requestId: 'a' }], ended: [{ requestId: 'a', reason: 'length' }] })
    expect(serving.stats()).toEqual({
      running: 0,
      waiting: 0,
      kvUsed: 0,
      kvTotal: 1024,
      steps: 2,
      tokens: 2,
      stepMicros: 200,
      commMicros: 20,
      idleMicros: 7,
      idles: 1,
      preempted: 0,
      promptTokens: 2,
      cachedTokens: 0,
      drafted: 0,
      accepted: 0,
    })
  })

  test('behind a step that only generates the next one is given at once, and a token too many is dropped', async () => {
    const { serving, events, steps, give } = start()
    serving.submit(generateOf('a', [1, 2], { maxTokens: 8, stopIds: [9], ignoreStop: false }))
    await give(7)
    expect(steps).toHaveLength(3)
    expect(steps[2]!.sequences[0]).toMatchObject({ tokens: [-1], start: 3, drawn: 2 })
    await give(9)
    expect(events.at(-1)).toMatchObject({ tokens: [], ended: [{ requestId: 'a', reason: 'stop', stopId: 9 }] })
    serving.submit(generateOf('b', [3, 4]))
    const count = events.length
    await give(5)
    expect(events.slice(count)).toEqual([
      { tokens: [], ended: [], waiting: [{ requestId: 'b', queued: 0, promptDone: 0, promptTotal: 2 }] },
    ])
    expect(steps[3]!.sequences[0]).toMatchObject({ tokens: [3, 4], start: 0 })
    expect(serving.stats()).toMatchObject({ running: 1, tokens: 1, steps: 3 })
  })

  test('a request that comes during a step is in the next one', async () => {
    const { serving, steps, give } = start()
    serving.submit(generateOf('a', [1, 4]))
    serving.submit(generateOf('b', [2, 4]))
    expect(steps).toHaveLength(1)
    await give(5)
    expect(steps[1]!.sequences.map((step) => Array.from(step.tokens))).toEqual([[5], [2, 4]])
  })

  test("an abort is told at once, and the step's token for it is dropped", async () => {
    const { serving, events, steps, give } = start()
    serving.submit(generateOf('a', [1, 4]))
    serving.abort('a')
    serving.abort('a')
    expect(events.slice(1)).toEqual([
      { tokens: [], ended: [{ requestId: 'a', reason: 'aborted', stopId: null, problem: null }], waiting: [] },
    ])
    await give(5)
    expect(events).toHaveLength(2)
    expect(steps).toHaveLength(1)
    serving.submit(generateOf('a', [3, 4]))
    expect(steps).toHaveLength(2)
  })

  test('a step that fails ends every request with the reason, those that wait too, and serving with it', async () => {
    const { serving, events, steps } = start()
    for (const id of ['a', 'b']) serving.submit(generateOf(id, [1, 4]))
    steps[0]!.end.reject(Object.assign(new Error('Rank 2 is gone.'), { code: 'rank_lost' }))
    await expect(serving.done).rejects.toThrow('Rank 2 is gone.')
    expect(events.at(-1)!.ended).toEqual(
      ['a', 'b'].map((requestId) => ({
        requestId,
        reason: 'failed',
        stopId: null,
        problem: { code: 'rank_lost', message: 'Rank 2 is gone.', hint: '' },
      })),
    )
    expect(() => serving.submit(generateOf('c', [1]))).toThrow('stopping')
  })

  test('stopping ends the running step and every request, and waits until the engine is idle', async () => {
    const { serving, events, aborted } = start()
    serving.submit(generateOf('a', [1, 4]))
    await serving.stop()
    expect(aborted).toHaveLength(1)
    expect(events.at(-1)!.ended).toMatchObject([{ requestId: 'a', reason: 'aborted', problem: null }])
    await serving.done
  })
})
