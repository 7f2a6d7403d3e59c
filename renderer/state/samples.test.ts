import { expect, test } from 'vitest'
import type { MachineSample } from '../../electron/contract/monitor.ts'
import { addSamples, historySeconds } from './samples.ts'

const sample = (machineId: string, at: number): MachineSample => ({
  machineId,
  at,
  cpu: 0,
  memoryUsed: 0,
  memoryTotal: 1,
  networkIn: 0,
  networkOut: 0,
  gpus: [],
})
const empty = { machines: {}, deployments: {} }
const times = (list: readonly MachineSample[] | undefined): number[] => (list ?? []).map((s) => s.at)

test('samples are kept by machine, in time order, without repeats', () => {
  const first = addSamples(empty, {
    machines: [sample('a', 2000), sample('b', 1000), sample('a', 1000)],
    deployments: [],
  })
  // After a new connection the last 15 minutes come again.
  const second = addSamples(first, {
    machines: [sample('a', 1000), sample('a', 2000), sample('a', 3000)],
    deployments: [],
  })
  expect(times(second.machines['a'])).toEqual([1000, 2000, 3000])
  expect(times(second.machines['b'])).toEqual([1000])
})

test('what is older than 15 minutes falls out', () => {
  const limit = historySeconds * 1000
  const history = addSamples(addSamples(empty, { machines: [sample('a', 0), sample('a', 1)], deployments: [] }), {
    machines: [sample('a', limit + 1)],
    deployments: [],
  })
  expect(times(history.machines['a'])).toEqual([1, limit + 1])
})
