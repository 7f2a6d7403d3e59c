/** What the rest of Lanyard knows of a tokenizer. Two kinds implement it: tokenizer.json and qwen.tiktoken. */

/**
 * Whether surface forms of special tokens in a text become those tokens: never (false, the default: text of
 * people), always (true: text of our own), or only where the function allows one to start (a rendered chat
 * template, in which the markers count and the messages' contents do not). `at` counts UTF-16 units.
 */
export type SpecialRule = boolean | ((at: number) => boolean)

export interface EncodeOptions {
  special?: SpecialRule
  /** add what the tokenizer puts around every text: BOS, for most that have one */
  bos?: boolean
}

/** Text of one sequence as it grows. Deltas joined equal `decode` of all ids. */
export interface TokenStream {
  /** the new text; '' while a character is incomplete */
  push(id: number): string
  /** what was held back */
  end(): string
}

export interface Tokenizer {
  readonly kind: 'tokenizer.json' | 'qwen.tiktoken'
  /** ids are 0 … size − 1; a model's vocabulary may have more rows, which are padding */
  readonly size: number
  readonly bos: number | null
  /** the tokenizer's own end-of-sequence token */
  readonly eos: number | null
  /** surface form → id of the tokens that only a template may write */
  readonly specials: ReadonlyMap<string, number>
  encode(text: string, options?: EncodeOptions): number[]
  decode(ids: readonly number[], options?: { skipSpecial?: boolean }): string
  stream(options?: { skipSpecial?: boolean }): TokenStream
  /** id of a token by its surface form */
  idOf(token: string): number | null
  /** the bytes a token stands for; an incomplete character's among them */
  bytesOf(id: number): Uint8Array
}
