import { describe, expect, test } from 'vitest'
import type { Machine } from '../contract/machine.ts'
import { planDevices } from './placement.ts'

const gpu = (index: number) => ({ index, name: `GPU ${index}`, memoryFree: 2e10, memoryTotal: 2.4e10 })

function machine(name: string, gpus: number, kind: 'this' | 'ssh' = 'ssh'): Machine {
  const hardware = {
    cpu: { model: 'CPU', cores: 8 },
    memoryFree: 3e10,
    memoryTotal: 3.2e10,
    gpus: Array.from({ length: gpus }, (_, n) => gpu(n)),
  }
  return { id: `id-${name}`, name, kind, hardware, cpuSpeed: null } as unknown as Machine
}

const machines = [machine('this', 0, 'this'), machine('a', 2), { ...machine('b', 0), hardware: null }]
const kinds = (on: Parameters<typeof planDevices>[1], cuda = true) =>
  planDevices(machines, on, { cuda }).map((device) => `${device.machineName} ${device.kind}${device.index}`)

describe('the devices of a request', () => {
  test('are the best of a machine where none is named, and this computer where no machine is', () => {
    expect(kinds([])).toEqual(['this cpu0'])
    expect(kinds([{ machine: 'a', devices: [] }])).toEqual(['a cuda0', 'a cuda1'])
    expect(kinds([{ machine: 'a', devices: [] }], false)).toEqual(['a cpu0'])
    expect(
      kinds([
        {
          machine: 'id-a',
          devices: [
            { kind: 'cuda', index: 1 },
            { kind: 'cpu', index: 0 },
          ],
        },
      ]),
    ).toEqual(['a cuda1', 'a cpu0'])
  })

  test.each([
    ['an unknown machine', [{ machine: 'c', devices: [] }], true, 'not_found', 'this, a, b'],
    ['a machine that was never reached', [{ machine: 'b', devices: [] }], true, 'machine_away', 'Connect'],
    [
      'a GPU that is not there',
      [{ machine: 'a', devices: [{ kind: 'cuda' as const, index: 2 }] }],
      true,
      'device_missing',
      '0 (GPU 0), 1 (GPU 1)',
    ],
    [
      'a GPU of a machine without',
      [{ machine: 'this', devices: [{ kind: 'cuda' as const, index: 0 }] }],
      true,
      'device_missing',
      'CPU',
    ],
    [
      'a GPU where there is no engine for it',
      [{ machine: 'a', devices: [{ kind: 'cuda' as const, index: 0 }] }],
      false,
      'engine_unavailable',
      'CPU',
    ],
  ])('refuse %s', (_, on, cuda, code, hint) => {
    expect(() => planDevices(machines, on, { cuda })).toThrow(
      expect.objectContaining({ code, hint: expect.stringContaining(hint) as string }) as Error,
    )
  })
})
