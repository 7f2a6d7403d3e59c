import { describe, expect, test } from 'vitest'
import { cpuOf } from './hardware.ts'
import { gpuFactsOf, gpuSamplesOf, parseTable } from './nvidia.ts'
import { networkBytes, ratesOf } from './samples.ts'

describe('hardware', () => {
  test('model and flags of x86 and Arm processors', () => {
    expect(
      cpuOf(
        'processor\t: 0\nmodel name\t: AMD Ryzen 9 7950X 16-Core Processor\nflags\t\t: fpu avx2 avx512f\n\nprocessor\t: 1\nmodel name\t: other\n',
      ),
    ).toEqual({ model: 'AMD Ryzen 9 7950X 16-Core Processor', flags: ['fpu', 'avx2', 'avx512f'] })
    expect(cpuOf('processor\t: 0\nFeatures\t: fp asimd\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n')).toEqual({
      model: 'Raspberry Pi 5 Model B Rev 1.0',
      flags: ['fp', 'asimd'],
    })
    expect(cpuOf('')).toEqual({ model: '', flags: [] })
  })

  test('what nvidia-smi says, with values that a card does not report', () => {
    expect(
      gpuFactsOf(
        parseTable(
          '0, NVIDIA GeForce RTX 4090, GPU-1b2c, 570.86.15, 24564, 24000\n1, NVIDIA A2, GPU-3d4e, 570.86.15, 15356, [N/A]\n',
        ),
      ),
    ).toEqual([
      {
        index: 0,
        name: 'NVIDIA GeForce RTX 4090',
        uuid: 'GPU-1b2c',
        driver: '570.86.15',
        memoryTotal: 24564 * 2 ** 20,
        memoryFree: 24000 * 2 ** 20,
      },
      {
        index: 1,
        name: 'NVIDIA A2',
        uuid: 'GPU-3d4e',
        driver: '570.86.15',
        memoryTotal: 15356 * 2 ** 20,
        memoryFree: 0,
      },
    ])
    expect(gpuSamplesOf(parseTable('0, 87, 1024, 24564, 61, [Not Supported]\n'))).toEqual([
      { index: 0, utilisation: 0.87, memoryUsed: 2 ** 30, memoryTotal: 24564 * 2 ** 20, temperature: 61, power: null },
    ])
    expect(parseTable('No devices were found\n')).toEqual([])
  })

  test('network bytes are summed over all interfaces but loopback', () => {
    const text = [
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
      '    lo: 999999 1 0 0 0 0 0 0 999999 1 0 0 0 0 0 0',
      '  eth0:1000 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0',
      ' wlan0: 24 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0',
      '',
    ].join('\n')
    expect(networkBytes(text)).toEqual({ received: 1024, sent: 206 })
  })

  test('rates are per second, and never negative when a counter starts anew', () => {
    const before = { at: 1000, cpuBusy: 100, cpuAll: 200, received: 5000, sent: 100 }
    expect(ratesOf(before, { at: 3000, cpuBusy: 150, cpuAll: 400, received: 9000, sent: 50 })).toEqual({
      cpu: 0.25,
      networkIn: 2000,
      networkOut: 0,
    })
    expect(ratesOf(before, { ...before, at: 1000 }).cpu).toBe(0)
  })
})
