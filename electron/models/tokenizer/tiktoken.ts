/**
 * qwen.tiktoken: byte-pair encoding by rank over bytes, for the first generation of Qwen, which has no
 * tokenizer.json. Facts from QwenLM/Qwen `tokenization_note.md`: lines `base64 rank`, NFC first, the special tokens
 * follow the ranks in a fixed order.
 */
import { LanyardError } from '../../contract/errors.ts'
import { decodeAll, type Decoding, streamOf } from './decoding.ts'
import { sectionsOf } from './sections.ts'
import type { Tokenizer } from './tokenizer.ts'

/**
 * Qwen's split. \s is written as White_Space: JavaScript's \s counts U+FEFF and lacks U+0085, unlike the regex
 * libraries the ranks were trained with.
 */
const split = new RegExp(
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*` +
    String.raw`|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`,
  'gu',
)

const extras = 205

/** Bytes as a string of characters 0…255: a key for maps. */
const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

/** Ranks from the file's text. */
function readRanks(text: string): Map<string, number> {
  const ranks = new Map<string, number>()
  for (const [number, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const [base64, rank] = line.trim().split(' ')
    const value = Number(rank)
    if (!base64 || !Number.isSafeInteger(value) || value < 0) {
      throw new LanyardError(
        'model_tokenizer',
        `qwen.tiktoken, line ${number + 1}, is not "base64 rank".`,
        'Download or copy qwen.tiktoken again.',
      )
    }
    ranks.set(Buffer.from(base64, 'base64').toString('latin1'), value)
  }
  if (ranks.size === 0)
    throw new LanyardError('model_tokenizer', 'qwen.tiktoken is empty.', 'Download or copy qwen.tiktoken again.')
  return ranks
}

/** A binary heap of [rank, place], smallest rank first, the leftmost among equals. */
function rankHeap() {
  const ranks: number[] = []
  const places: number[] = []
  const before = (a: number, b: number) => ranks[a]! < ranks[b]! || (ranks[a] === ranks[b] && places[a]! < places[b]!)
  const swap = (a: number, b: number) => {
    ;[ranks[a], ranks[b]] = [ranks[b]!, ranks[a]!]
    ;[places[a], places[b]] = [places[b]!, places[a]!]
  }
  return {
    push(rank: number, place: number) {
      let at = ranks.push(rank) - 1
      places.push(place)
      while (at > 0 && before(at, (at - 1) >> 1)) {
        swap(at, (at - 1) >> 1)
        at = (at - 1) >> 1
      }
    },
    pop(): { rank: number; place: number } | null {
      if (ranks.length === 0) return null
      swap(0, ranks.length - 1)
      const found = { rank: ranks.pop()!, place: places.pop()! }
      let at = 0
      for (;;) {
        let least = at
        for (const child of [2 * at + 1, 2 * at + 2]) if (child < ranks.length && before(child, least)) least = child
        if (least === at) return found
        swap(at, least)
        at = least
      }
    },
  }
}

/** Merges the pair of lowest rank until none is left. `piece` is bytes as characters. */
export function mergeByRank(piece: string, ranks: ReadonlyMap<string, number>): number[] {
  const whole = ranks.get(piece)
  if (whole !== undefined) return [whole]
  // parts[i] is the part that starts at byte i, '' when it was merged into an earlier one.
  const parts = [...piece]
  const next = parts.map((_, i) => i + 1)
  const previous = parts.map((_, i) => i - 1)
  const heap = rankHeap()
  const offer = (at: number) => {
    const right = next[at]!
    if (at < 0 || right >= parts.length) return
    const rank = ranks.get(parts[at]! + parts[right]!)
    if (rank !== undefined) heap.push(rank, at)
  }
  for (let at = 0; at + 1 < parts.length; at++) offer(at)
  for (let found = heap.pop(); found; found = heap.pop()) {
    const at = found.place
    const right = next[at]!
    // An entry is stale when either side has changed since it was pushed.
    if (parts[at] === '' || right >= parts.length || ranks.get(parts[at]! + parts[right]!) !== found.rank) continue
    parts[at] += parts[right]!
    parts[right] = ''
    next[at] = next[right]!
    if (next[at]! < parts.length) previous[next[at]!] = at
    offer(at)
    if (previous[at]! >= 0) offer(previous[at]!)
  }
  return parts.filter((part) => part !== '').map((part) => ranks.get(part)!)
}

/**
 * @param text the contents of qwen.tiktoken
 * Throws `model_tokenizer`.
 */
export function tiktokenTokenizer(text: string): Tokenizer {
  const ranks = readRanks(text)
  const first = [...ranks.values()].reduce((most, rank) => Math.max(most, rank + 1), 0)
  const names = [
    '<|endoftext|>',
    '<|im_start|>',
    '<|im_end|>',
    ...Array.from({ length: extras }, (_, i) => `<|extra_${i}|>`),
  ]
  const specials = new Map(names.map((name, i) => [name, first + i]))
  const cut = sectionsOf([...specials].map(([content, id]) => ({ content, id, special: true })))
  const encoder = new TextEncoder()
  const bytes: Uint8Array[] = []
  for (const [key, rank] of ranks) bytes[rank] = Buffer.from(key, 'latin1')
  for (const [name, id] of specials) bytes[id] = encoder.encode(name)
  const empty = new Uint8Array(0)
  const decoding: Decoding = {
    stripFirstSpace: false,
    textOf: (id) => ({ bytes: bytes[id] ?? empty, fallback: false }),
  }
  const skipOf = (skipSpecial: boolean | undefined) => (id: number) => skipSpecial === true && id >= first

  return {
    kind: 'qwen.tiktoken',
    size: first + names.length,
    bos: null,
    eos: first,
    specials,
    encode: (given, options = {}) =>
      cut(given, options.special ?? false).flatMap((section) => {
        if ('id' in section) return [section.id]
        const pieces = section.text.normalize('NFC').match(split) ?? []
        return pieces.flatMap((piece) => mergeByRank(keyOf(encoder.encode(piece)), ranks))
      }),
    decode: (ids, options) => decodeAll(decoding, ids, skipOf(options?.skipSpecial)),
    stream: (options) => streamOf(decoding, skipOf(options?.skipSpecial)),
    idOf: (token) => specials.get(token) ?? ranks.get(keyOf(encoder.encode(token))) ?? null,
    bytesOf: (id) => bytes[id] ?? empty,
  }
}
