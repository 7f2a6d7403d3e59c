/**
 * The tokens that can come at a place of a grammar: a walk through the tree of all tokens' bytes, cut where the grammar
 * ends. Inside strings nearly every token can come, and nearly all of them are plain text, so where any plain character
 * leads on alike, plain tokens need no walk.
 */
import { dead } from './matcher.ts'
import type { Matcher } from './matcher.ts'

/** Tokens as bytes: token n is bytes[ends[n − 1] … ends[n]); empty for those that are no text. */
export interface TokenBytes {
  bytes: Uint8Array
  ends: Uint32Array
}

/** A tree in the order of a walk through it: a node, then everything below it. */
interface Tree {
  nodes: number
  byte: Uint8Array
  depth: Uint16Array
  /** the first node that is not below this one */
  end: Int32Array
  /** tokens that end at the node: ids[firstId[n] … firstId[n + 1]) */
  firstId: Int32Array
  ids: Int32Array
}

export interface Vocabulary {
  /** words of a set of bits over all ids */
  readonly words: number
  /** Sets the bits of the tokens that can come. */
  allow(matcher: Matcher, place: number, bits: Int32Array): void
}

/** @param texts by id, a character a byte */
function treeOf(texts: string[], wanted: number[]): Tree {
  // Without a function of our own: comparing strings is what the engine's sort does fastest.
  const byText = new Map<string, number[]>()
  for (const id of wanted) {
    const same = byText.get(texts[id]!)
    if (same) same.push(id)
    else byText.set(texts[id]!, [id])
  }
  const ids = new Int32Array(wanted.length)
  let count = 0
  const most = wanted.reduce((sum, id) => sum + texts[id]!.length, 0)
  const byte = new Uint8Array(most)
  const depth = new Uint16Array(most)
  const end = new Int32Array(most)
  // A text sorts right after the ones it begins with: nodes and the tokens that end at them come in one order.
  const firstId = new Int32Array(most + 1)
  const path: number[] = []
  let nodes = 0
  let before = ''
  for (const text of [...byText.keys()].sort()) {
    const n = count
    for (const id of byText.get(text)!) ids[count++] = id
    let same = 0
    while (same < text.length && same < before.length && text.charCodeAt(same) === before.charCodeAt(same)) same++
    while (path.length > same) end[path.pop()!] = nodes
    for (let at = same; at < text.length; at++) {
      byte[nodes] = text.charCodeAt(at)
      depth[nodes] = at
      firstId[nodes] = n
      path.push(nodes++)
    }
    firstId[nodes] = count
    before = text
  }
  while (path.length > 0) end[path.pop()!] = nodes
  return { nodes, byte, depth, end, firstId, ids }
}

/** Longest plain token, in characters, that is not walked. */
const mostPlain = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whole characters, none of them special to JSON, and few enough. */
function isPlainText(bytes: string): boolean {
  if (bytes.includes('"') || bytes.includes('\\')) return false
  for (let n = 0; n < bytes.length; n++) if (bytes.charCodeAt(n) < 0x20) return false
  if (!/[\x80-\xff]/.test(bytes)) return bytes.length <= mostPlain
  try {
    return Array.from(utf8.decode(Buffer.from(bytes, 'latin1'))).length <= mostPlain
  } catch {
    return false
  }
}

/** Lead bytes of UTF-8 and the ranges of what follows them. */
const sequences: [from: number, to: number, ...rest: [number, number][]][] = [
  [0xc2, 0xdf, [0x80, 0xbf]],
  [0xe0, 0xe0, [0xa0, 0xbf], [0x80, 0xbf]],
  [0xe1, 0xec, [0x80, 0xbf], [0x80, 0xbf]],
  [0xed, 0xed, [0x80, 0x9f], [0x80, 0xbf]],
  [0xee, 0xef, [0x80, 0xbf], [0x80, 0xbf]],
  [0xf0, 0xf0, [0x90, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [0xf1, 0xf3, [0x80, 0xbf], [0x80, 0xbf], [0x80, 0xbf]],
  [0xf4, 0xf4, [0x80, 0x8f], [0x80, 0xbf], [0x80, 0xbf]],
]

/** Where every plain character leads (all but controls, quotation mark and backslash), if all lead to one place. */
function plainNext(matcher: Matcher, place: number): number {
  const next = matcher.step(place, 0x20)
  if (next === dead) return dead
  for (let byte = 0x21; byte < 0x80; byte++) {
    if (byte !== 0x22 && byte !== 0x5c && matcher.step(place, byte) !== next) return dead
  }
  for (const [from, to, ...rest] of sequences) {
    let places = new Set([place])
    for (const [low, high] of [[from, to] as [number, number], ...rest]) {
      const after = new Set<number>()
      for (const here of places) for (let byte = low; byte <= high; byte++) after.add(matcher.step(here, byte))
      if (after.has(dead)) return dead
      places = after
    }
    if (places.size !== 1 || !places.has(next)) return dead
  }
  return next
}

/** Whether at least `mostPlain` plain characters can follow. */
function isPlain(matcher: Matcher, place: number): boolean {
  for (let n = 0, here = place; n < mostPlain; n++) {
    const next = plainNext(matcher, here)
    if (next === dead) return false
    if (next === here) return true
    here = next
  }
  return true
}

/** @param size ids are 0 … size − 1; those beyond the tokens are padding and never allowed */
export function createVocabulary({ bytes, ends }: TokenBytes, size: number): Vocabulary {
  const words = Math.ceil(size / 32)
  const plainBits = new Int32Array(words)
  const texts: string[] = []
  const plain: number[] = []
  const other: number[] = []
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  for (let id = 0, start = 0; id < Math.min(ends.length, size); start = ends[id++]!) {
    const text = all.slice(start, ends[id]!)
    texts.push(text)
    if (text === '' || text.length > 0xffff) continue
    if (isPlainText(text)) {
      plain.push(id)
      plainBits[id >> 5]! |= 1 << (id & 31)
    } else other.push(id)
  }
  const plainTree = treeOf(texts, plain)
  const otherTree = treeOf(texts, other)
  const path = new Int32Array(0x10000)

  function walk(tree: Tree, matcher: Matcher, place: number, bits: Int32Array): void {
    const { nodes, byte, depth, end, firstId, ids } = tree
    for (let node = 0; node < nodes;) {
      const level = depth[node]!
      const next = matcher.step(level === 0 ? place : path[level - 1]!, byte[node]!)
      if (next === dead) {
        node = end[node]!
        continue
      }
      path[level] = next
      for (let n = firstId[node]!; n < firstId[node + 1]!; n++) {
        const id = ids[n]!
        bits[id >> 5]! |= 1 << (id & 31)
      }
      node++
    }
  }

  return {
    words,
    allow(matcher, place, bits) {
      if (isPlain(matcher, place)) for (let n = 0; n < words; n++) bits[n]! |= plainBits[n]!
      else walk(plainTree, matcher, place, bits)
      walk(otherTree, matcher, place, bits)
    },
  }
}
