/** How many values of each kind a rank holds: what the planner's memory and speed are computed from. */
import type { RankSplit, TensorRole } from '../contract/engine.ts'
import type { ModelFacts } from './architecture/architecture.ts'
import { cutOf } from './load-plan.ts'

/** Numbers of values, not bytes; fields as in placement's `WeightSizes`. */
export interface WeightSizes {
  attention: number
  ffn: number
  ffnActive: number
  head: number
  table: number
  other: number
}

const kinds: Partial<Record<TensorRole, keyof WeightSizes>> = {
  embed: 'table',
  lm_head: 'head',
  attn_qkv: 'attention',
  attn_q_up: 'attention',
  attn_o: 'attention',
  ffn_gate_up: 'ffn',
  ffn_down: 'ffn',
  expert_gate_up: 'ffn',
  expert_down: 'ffn',
  shared_gate_up: 'ffn',
  shared_down: 'ffn',
}

export function weightSizes(facts: ModelFacts, split: RankSplit, rank: number): WeightSizes {
  const d = facts.decoder
  const sizes: WeightSizes = { attention: 0, ffn: 0, ffnActive: 0, head: 0, table: 0, other: 0 }
  for (const rule of facts.rules) {
    if (rule.firstRankOnly && rank !== 0) continue
    const rows = rule.pieces.reduce((sum, piece) => sum + cutOf(piece.rows, d, split).count, 0)
    const values = rows * cutOf(rule.cols, d, split).count
    const kind = kinds[rule.role] ?? 'other'
    sizes[kind] += values
    if (kind === 'ffn') sizes.ffnActive += rule.expert < 0 ? values : (values * d.expertsPerToken) / d.experts
  }
  return sizes
}
