import { useEffect, useState } from 'react'
import { problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'
import type { Plan, PlanRequest } from '../../electron/contract/plan.ts'
import { rpc, useConnection } from '../state/connection.ts'

export interface LivePlan {
  plan: Plan | null
  problem: Problem | null
  /** a newer plan is being made; `plan` is the one before */
  planning: boolean
}

/** Long enough to type a number, short enough to feel live. */
const debounceMs = 250

/** The plan for a request, made anew when the request changes; the last one stays shown meanwhile. */
export function usePlan(request: PlanRequest | null): LivePlan {
  const [live, setLive] = useState<LivePlan>({ plan: null, problem: null, planning: false })
  const key = request === null ? null : JSON.stringify(request)
  const epoch = useConnection((c) => c.epoch)
  useEffect(() => {
    if (key === null) {
      setLive({ plan: null, problem: null, planning: false })
      return
    }
    const stop = new AbortController()
    setLive((l) => ({ ...l, planning: true }))
    const timer = setTimeout(() => {
      rpc.call('plan.make', JSON.parse(key) as PlanRequest, { signal: stop.signal }).then(
        (plan) => {
          if (!stop.signal.aborted) setLive({ plan, problem: null, planning: false })
        },
        (error: unknown) => {
          if (!stop.signal.aborted) setLive({ plan: null, problem: problemOf(error), planning: false })
        },
      )
    }, debounceMs)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [key, epoch])
  return live
}
