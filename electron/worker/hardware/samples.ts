/** One sample a second of how busy this machine is, taken only while somebody listens. */
import { readFileSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import type { MachineSample } from '../../contract/monitor.ts'
import { memoryTotal } from './memory.ts'
import { sampleGpus } from './nvidia.ts'
import type { GpuSample } from './nvidia.ts'

export interface Sampler {
  /** The first sample comes after one interval, since rates need two readings. `machineId` is left empty. */
  subscribe(listener: (sample: MachineSample) => void): Disposable
}

/** Sums that only grow, at one moment. */
export interface Counters {
  at: number
  cpuBusy: number
  cpuAll: number
  received: number
  sent: number
}

/** Received and sent bytes of /proc/net/dev over all interfaces but loopback. */
export function networkBytes(text: string): { received: number; sent: number } {
  const sum = { received: 0, sent: 0 }
  for (const line of text.split('\n').slice(2)) {
    const [name, values] = line.split(':')
    if (values === undefined || name?.trim() === 'lo') continue
    const columns = values.trim().split(/\s+/).map(Number)
    sum.received += columns[0] ?? 0
    sum.sent += columns[8] ?? 0
  }
  return sum
}

function readCounters(): Counters {
  let busy = 0
  let all = 0
  for (const { times } of os.cpus()) {
    const total = times.user + times.nice + times.sys + times.idle + times.irq
    all += total
    busy += total - times.idle
  }
  let network = { received: 0, sent: 0 }
  try {
    network = networkBytes(readFileSync('/proc/net/dev', 'utf8'))
  } catch {
    // Only Linux has it; elsewhere the rates read 0.
  }
  return { at: Date.now(), cpuBusy: busy, cpuAll: all, ...network }
}

/** CPU share 0…1 and bytes per second between two readings. */
export function ratesOf(before: Counters, after: Counters): { cpu: number; networkIn: number; networkOut: number } {
  const seconds = Math.max((after.at - before.at) / 1000, 1e-3)
  const all = after.cpuAll - before.cpuAll
  return {
    cpu: all > 0 ? Math.min(Math.max((after.cpuBusy - before.cpuBusy) / all, 0), 1) : 0,
    networkIn: Math.max(after.received - before.received, 0) / seconds,
    networkOut: Math.max(after.sent - before.sent, 0) / seconds,
  }
}

/** nvidia-smi starts a process and wakes the driver: one of so many samples. */
const gpuEvery = 5

export function createSampler(intervalMs = 1000): Sampler {
  const listeners = new Set<(sample: MachineSample) => void>()
  let timer: ReturnType<typeof setInterval> | undefined
  let last: Counters = readCounters()
  let gpus: GpuSample[] = []
  let hasGpus = true
  let count = 0

  function take(): void {
    const now = readCounters()
    const total = memoryTotal()
    const sample: MachineSample = {
      machineId: '',
      at: now.at,
      ...ratesOf(last, now),
      memoryUsed: Math.max(total - process.availableMemory(), 0),
      memoryTotal: total,
      gpus,
    }
    last = now
    for (const listener of listeners) listener(sample)
    if (hasGpus && count++ % gpuEvery === 0) {
      void sampleGpus().then((found) => {
        gpus = found
        hasGpus = found.length > 0
      })
    }
  }

  return {
    subscribe(listener) {
      if (listeners.size === 0) {
        last = readCounters()
        timer = setInterval(take, intervalMs)
      }
      listeners.add(listener)
      return {
        [Symbol.dispose]() {
          listeners.delete(listener)
          if (listeners.size === 0) clearInterval(timer)
        },
      }
    },
  }
}
