/** Measurements of the last 15 minutes, by machine and by deployment, while somebody looks at them. */
import { useEffect } from 'react'
import { create } from 'zustand'
import type { DeploymentSample, MachineSample, Samples } from '../../electron/contract/monitor.ts'
import { rpc, useConnection } from './connection.ts'

export const historySeconds = 15 * 60

export interface SampleHistory {
  machines: Record<string, MachineSample[]>
  deployments: Record<string, DeploymentSample[]>
}

export const useSampleHistory = create<SampleHistory>(() => ({ machines: {}, deployments: {} }))

/** Adds samples in time order; older than 15 minutes before the newest falls out, repeats are ignored. */
export function addSamples(history: SampleHistory, samples: Samples): SampleHistory {
  const merge = <T extends { at: number }>(
    old: Record<string, T[]>,
    fresh: readonly T[],
    key: (t: T) => string,
  ): Record<string, T[]> => {
    if (fresh.length === 0) return old
    const next = { ...old }
    for (const [name, group] of Map.groupBy(fresh, key)) {
      const kept = next[name] ?? []
      const last = kept.at(-1)?.at ?? -Infinity
      const all = [...kept, ...group.filter((s) => s.at > last).sort((a, b) => a.at - b.at)]
      const oldest = (all.at(-1)?.at ?? 0) - historySeconds * 1000
      next[name] = all.filter((s) => s.at >= oldest)
    }
    return next
  }
  return {
    machines: merge(history.machines, samples.machines, (s) => s.machineId),
    deployments: merge(history.deployments, samples.deployments, (s) => s.name),
  }
}

let watchers = 0
let stop: AbortController | null = null

/** Subscribes while the calling screen is shown; several screens share one stream. */
export function useWatchSamples(): void {
  const epoch = useConnection((c) => (c.status === 'open' ? c.epoch : 0))
  useEffect(() => {
    if (epoch === 0) return
    if (watchers++ === 0) {
      stop = new AbortController()
      rpc
        .stream('monitor.watch', {}, (item) => useSampleHistory.setState((h) => addSamples(h, item)), {
          signal: stop.signal,
        })
        .catch(() => undefined) // a lost connection starts a new epoch, and with it a new stream
    }
    return () => {
      if (--watchers === 0) {
        stop?.abort()
        stop = null
      }
    }
  }, [epoch])
}
