/**
 * Tokens back to text. Own code, because three things must hold that @huggingface/tokenizers 0.2.0 does not give:
 * U+FEFF at the start of a byte run is kept (its TextDecoder drops it), a run of byte tokens that is not UTF-8
 * becomes one U+FFFD per byte as in the Rust library (it makes fewer), and text can be had token by token.
 */
import type { TokenStream } from './tokenizer.ts'

/** What one token contributes: bytes of the text, and whether it is a byte-fallback token (`<0x41>`). */
export interface TokenText {
  bytes: Uint8Array
  fallback: boolean
}

export interface Decoding {
  textOf(id: number): TokenText
  /** drop one space at the very start (SentencePiece's dummy prefix) */
  stripFirstSpace: boolean
}

/** Complete characters of a byte-fallback run longer than this are shown although the run may yet turn out invalid. */
const mostHeld = 64

const strict = () => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A run of byte tokens: its text if it is UTF-8, else one replacement character per byte. */
function fallbackText(run: number[]): string {
  try {
    return strict().decode(Uint8Array.from(run))
  } catch {
    return '\uFFFD'.repeat(run.length)
  }
}

/** How many bytes at the end of a run are the start of a character. */
function incompleteTail(run: number[]): number {
  for (let back = 1; back <= Math.min(3, run.length); back++) {
    const byte = run[run.length - back]!
    if (byte < 0x80) return 0
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return back < length ? back : 0
    }
  }
  return 0
}

/** A stream over `decoding`; ids for which `skip` holds add nothing. */
export function streamOf(decoding: Decoding, skip: (id: number) => boolean): TokenStream {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let run: number[] = []
  let atStart = decoding.stripFirstSpace

  const strip = (text: string): string => {
    if (!atStart || text === '') return text
    atStart = false
    return text.startsWith(' ') ? text.slice(1) : text
  }
  const flushRun = (): string => {
    if (run.length === 0) return ''
    const text = fallbackText(run)
    run = []
    return text
  }
  /** A long run: show what is complete, keep the tail. */
  const easeRun = (): string => {
    if (run.length <= mostHeld) return ''
    const tail = incompleteTail(run)
    const text = fallbackText(run.slice(0, run.length - tail))
    run = run.slice(run.length - tail)
    return text
  }
  return {
    push(id) {
      if (skip(id)) return ''
      const { bytes, fallback } = decoding.textOf(id)
      if (fallback) {
        const before = decoder.decode()
        run.push(...bytes)
        return strip(before + easeRun())
      }
      return strip(flushRun() + decoder.decode(bytes, { stream: true }))
    },
    end: () => strip(flushRun() + decoder.decode()),
  }
}

/** Text of all ids at once. */
export function decodeAll(decoding: Decoding, ids: readonly number[], skip: (id: number) => boolean): string {
  const stream = streamOf(decoding, skip)
  let text = ''
  for (const id of ids) text += stream.push(id)
  return text + stream.end()
}

/** GPT-2's table: printable characters that stand for the 256 bytes in byte-level vocabularies. */
export function byteLevelTable(): Map<string, number> {
  const table = new Map<string, number>()
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  for (let byte = 0; byte < 256; byte++) table.set(String.fromCodePoint(printable(byte) ? byte : next++), byte)
  return table
}
