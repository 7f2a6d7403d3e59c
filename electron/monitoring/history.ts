/** The last 15 minutes of samples, and everyone who watches them. */
import type { DeploymentSample, MachineSample, Samples } from '../contract/monitor.ts'

const keptMs = 15 * 60 * 1000

export interface History {
  machine(sample: MachineSample): void
  deployments(samples: DeploymentSample[]): void
  /** what is kept first, then new samples as they come, until the signal aborts */
  watch(send: (samples: Samples) => void, signal: AbortSignal): Promise<void>
}

export function createHistory(): History {
  const kept: Samples = { machines: [], deployments: [] }
  const watchers = new Set<(samples: Samples) => void>()
  const tell = (samples: Samples): void => {
    for (const watcher of watchers) watcher(samples)
  }
  return {
    machine(sample) {
      kept.machines.push(sample)
      dropOld(kept.machines, sample.at)
      tell({ machines: [sample], deployments: [] })
    },
    deployments(samples) {
      if (samples.length === 0) return
      kept.deployments.push(...samples)
      dropOld(kept.deployments, samples[0]!.at)
      tell({ machines: [], deployments: samples })
    },
    watch(send, signal) {
      send({ machines: [...kept.machines], deployments: [...kept.deployments] })
      watchers.add(send)
      return new Promise((resolve) => {
        const end = (): void => {
          watchers.delete(send)
          resolve()
        }
        if (signal.aborted) end()
        else signal.addEventListener('abort', end, { once: true })
      })
    },
  }
}

/** Machines' clocks differ a little, so the list is only roughly ordered: enough for dropping what is old. */
function dropOld(samples: { at: number }[], now: number): void {
  const first = samples.findIndex((sample) => now - sample.at <= keptMs)
  if (first > 0) samples.splice(0, first)
}
