/** Problems of actions the user took, shown until dismissed. */
import { create } from 'zustand'
import { problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'

export interface Notice {
  id: number
  problem: Problem
}

export const useNotices = create<{ notices: Notice[] }>(() => ({ notices: [] }))

let next = 1

export function showProblem(error: unknown): void {
  const problem = problemOf(error)
  // The same sentence twice helps nobody.
  useNotices.setState(({ notices }) => ({
    notices: [...notices.filter((n) => n.problem.message !== problem.message), { id: next++, problem }].slice(-4),
  }))
}

export function dismissNotice(id: number): void {
  useNotices.setState(({ notices }) => ({ notices: notices.filter((n) => n.id !== id) }))
}

/** Runs an action of the user; what goes wrong becomes a notice. */
export function attempt(action: () => Promise<unknown>): void {
  action().catch(showProblem)
}
