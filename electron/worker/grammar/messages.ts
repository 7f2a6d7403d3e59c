/** What rank 0 and its grammar thread say to each other. */
import type { Mask } from '../../grammar/masks.ts'
import type { TokenBytes } from '../../grammar/vocabulary.ts'

/** Passed when the thread starts. */
export interface GrammarSetup {
  tokens: TokenBytes
  /** rows of logits: the ids that a mask speaks of */
  vocab: number
}

export type ToGrammar =
  | { kind: 'open'; id: number; ebnf: string; stopIds: number[] }
  | { kind: 'accept'; id: number; token: number }
  | { kind: 'close'; id: number }

export type FromGrammar =
  | { kind: 'mask'; id: number; mask: Mask }
  /** the text is whole */
  | { kind: 'finished'; id: number }
  /** `invalid`: the grammar itself; otherwise the sequence cannot go on */
  | { kind: 'failed'; id: number; invalid: boolean; message: string }
