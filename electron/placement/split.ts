/** Shares → what each rank owns. */
import type { DecoderSpec, RankSplit } from '../contract/engine.ts'
import { ffnUnit, rangesOf } from './apportion.ts'
import { cutHeads, kvRange } from './heads.ts'

/** lm_head rows are cut in units of this; the last rank may get a shorter rest. */
const vocabUnit = 32

/**
 * A split for every rank: query heads, FFN columns and vocabulary rows, each covered exactly once, with the KV heads
 * that the query heads read. Shares are relative, may be zero, and follow the order of the ranks.
 * @param group FFN columns that share a scale; 0: none
 */
export function splitsOf(d: DecoderSpec, shares: readonly number[], group = 0): RankSplit[] {
  const heads = cutHeads(d.queryHeads, d.kvHeads, shares)
  const ffn = rangesOf(d.ffn, ffnUnit(d.ffn, shares.length, group), shares)
  const vocab = rangesOf(d.vocab, vocabUnit, shares)
  return shares.map((_, rank) => ({
    queryHeads: heads[rank]!,
    kvHeads: kvRange(heads[rank]!, d.queryHeads / d.kvHeads),
    ffn: ffn[rank]!,
    vocab: vocab[rank]!,
  }))
}
