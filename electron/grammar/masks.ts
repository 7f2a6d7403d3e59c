/** Sets of token ids. */

/** Which ids a sequence's next token may have: a bit each, or the ids where those are fewer words. */
export type Mask = { kind: 'bits'; words: Int32Array } | { kind: 'ids'; words: Int32Array }

/** How many bits are set. */
function countOf(bits: Int32Array): number {
  let count = 0
  for (let word of bits) {
    word -= (word >>> 1) & 0x55555555
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
  }
  return count
}

/** `bits` in the shorter form; null when nothing is allowed. */
export function maskOf(bits: Int32Array): Mask | null {
  const count = countOf(bits)
  if (count === 0) return null
  return count < bits.length
    ? { kind: 'ids', words: idsOf({ kind: 'bits', words: bits }) }
    : { kind: 'bits', words: bits }
}

/** The allowed ids, ascending. */
export function idsOf({ kind, words }: Mask): Int32Array {
  if (kind === 'ids') return words
  const ids = new Int32Array(countOf(words))
  let at = 0
  for (let n = 0; n < words.length; n++) {
    for (let word = words[n]!; word !== 0; word &= word - 1) ids[at++] = n * 32 + 31 - Math.clz32(word & -word)
  }
  return ids
}
