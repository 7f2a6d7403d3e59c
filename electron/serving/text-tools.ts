/** What the text pipeline needs from a model's tokenizer and template: a part of what `models/` gives. */
import type { ChatMessage, RenderOptions, TextTools as ModelText } from '../models/models.ts'

export type { ChatMessage }
export type ChatOptions = RenderOptions

/**
 * `chat`: messages → prompt ids that end where the answer begins; text inside messages never becomes a special
 * token. `encode(text, special)`: `special` recognises special tokens and adds those that belong around a text.
 * `stream`: ids in, text out, bytes of an unfinished character held back. `bytes`: what a token stands for.
 */
export type TextTools = Pick<
  ModelText,
  'vocab' | 'callStyle' | 'stopIds' | 'defaults' | 'chat' | 'encode' | 'decode' | 'stream' | 'specialId' | 'bytes'
>
