import { expect, test } from 'vitest'
import type { Machine } from '../../electron/contract/machine.ts'
import { chosenRanks, defaultChosen, planRequestOf, setCount } from './deploy-form.ts'
import type { DeployForm } from './deploy-form.ts'

const gpu = (index: number) => ({
  index,
  name: 'RTX 4090',
  uuid: `${index}`,
  driver: '550',
  memoryTotal: 24,
  memoryFree: 20,
})

function machine(id: string, kind: Machine['kind'], gpus: number, state: Machine['state'] = 'ready'): Machine {
  return {
    id,
    name: `name-${id}`,
    kind,
    address: '',
    entered: '',
    identity: null,
    state,
    status: '',
    worker: null,
    cpuSpeed: null,
    hostKey: null,
    dataAddress: null,
    problem: null,
    addedAt: 0,
    lastSeen: null,
    hardware: {
      hostname: id,
      os: '',
      kernel: '',
      arch: '',
      glibc: null,
      cpu: { model: 'CPU', cores: 8, flags: [] },
      memoryTotal: 64,
      memoryFree: 32,
      home: '',
      diskFree: 0,
      diskTotal: 0,
      gpus: Array.from({ length: gpus }, (_, i) => gpu(i)),
      interfaces: [],
      tools: [],
      at: 0,
    },
  }
}

const form: DeployForm = {
  model: null,
  chosen: null,
  shares: null,
  context: null,
  maxSequences: null,
  weights: null,
  kvDtype: null,
  wire: null,
  name: '',
}

test('this computer is chosen at first: its GPUs, or its CPU', () => {
  expect(defaultChosen([machine('a', 'ssh', 1), machine('here', 'this', 2)])).toEqual({
    here: { 'cuda:0': 1, 'cuda:1': 1 },
  })
  expect(defaultChosen([machine('here', 'this', 0)])).toEqual({ here: { cpu: 1 } })
  expect(defaultChosen([])).toEqual({})
})

test('ranks stand in the order of machines, GPUs before CPUs, several on one CPU numbered', () => {
  const machines = [machine('a', 'this', 1), machine('b', 'ssh', 0)]
  const chosen = setCount(setCount(setCount({}, 'b', 'cpu', 2), 'a', 'cpu', 1), 'a', 'cuda:0', 3)
  expect(chosenRanks(chosen, machines).map((r) => `${r.machineId} ${r.kind} ${r.index}`)).toEqual([
    'a cuda 0',
    'a cpu 0',
    'b cpu 0',
    'b cpu 1',
  ])
})

test('machines that are away fall out of the choice', () => {
  expect(chosenRanks({ a: { cpu: 1 } }, [machine('a', 'ssh', 0, 'away')])).toEqual([])
})

test('the request groups devices by machine and leaves automatic things out', () => {
  const ranks = chosenRanks({ a: { cpu: 2 }, b: { 'cuda:0': 1 } }, [machine('a', 'this', 0), machine('b', 'ssh', 1)])
  expect(planRequestOf(form, 'm', ranks)).toEqual({
    model: 'm',
    on: [
      {
        machine: 'a',
        devices: [
          { kind: 'cpu', index: 0 },
          { kind: 'cpu', index: 1 },
        ],
      },
      { machine: 'b', devices: [{ kind: 'cuda', index: 0 }] },
    ],
  })
  expect(
    planRequestOf(
      { ...form, shares: [1, 2, 3], context: 512, weights: 'int8', kvDtype: 'int8', wire: 'int8' },
      'm',
      ranks,
    ),
  ).toMatchObject({
    shares: [1, 2, 3],
    context: 512,
    weights: 'int8',
    kvDtype: 'int8',
    wire: 'int8',
  })
})

test('shares that fit another number of ranks, or are all zero, are not sent', () => {
  const ranks = chosenRanks({ a: { cpu: 2 } }, [machine('a', 'this', 0)])
  expect(planRequestOf({ ...form, shares: [1] }, 'm', ranks)).not.toHaveProperty('shares')
  expect(planRequestOf({ ...form, shares: [0, 0] }, 'm', ranks)).not.toHaveProperty('shares')
})

test('nothing is planned without a model or a device', () => {
  expect(planRequestOf(form, null, chosenRanks({ a: { cpu: 1 } }, [machine('a', 'this', 0)]))).toBeNull()
  expect(planRequestOf(form, 'm', [])).toBeNull()
})
