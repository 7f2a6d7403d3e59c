/** The engine's errors as problems that name the rank and what to do. */
import { problemOf } from '../../contract/errors.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import type { RankProblem } from './messages.ts'

const hints: Partial<Record<ErrorCode, string>> = {
  rank_lost:
    'Look at the machine of the rank that is named: is it on, and does its log say why? Then start the deployment again.',
  group_timeout: 'The ranks must reach each other: check firewalls and the data address of every machine.',
  group_auth: 'Another program answers on a port of this deployment. Start it again.',
  comm_corrupt: 'Data between the ranks was changed on its way: check the network, then start the deployment again.',
  out_of_memory: 'Choose a smaller context, fewer sequences, int8 or int4 weights, or one more machine.',
  weights_truncated: 'The file of the weights is shorter than its header says: add the model again.',
  weights_mismatch: "The weights do not fit the model's configuration: add the model again.",
}

/** `rank` is the one that reports; an error that names another rank keeps that. */
export function rankProblem(error: unknown, rank: number): RankProblem {
  const problem = problemOf(error)
  const named = (error as { rank?: unknown } | null)?.rank
  return {
    // An error without a code of ours comes from the engine too.
    code: problem.code === 'internal' ? 'rank_failed' : problem.code,
    message: problem.message,
    hint: problem.hint || (hints[problem.code] ?? ''),
    rank: typeof named === 'number' ? named : rank,
  }
}
