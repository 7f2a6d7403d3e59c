/**
 * SentencePiece's unigram model: the segmentation with the highest sum of scores (Viterbi). Own code, because
 * @huggingface/tokenizers 0.2.0 has no byte fallback for unigram: it makes <unk> of every unknown character.
 */

export interface UnigramModel {
  vocab: [string, number][]
  unk_id: number | null
  byte_fallback?: boolean
}

interface TrieNode {
  next: Map<string, TrieNode>
  id: number
}

/** @param excluded pieces that text never becomes (control tokens: they are cut out before) */
export function unigram(model: UnigramModel, excluded: ReadonlySet<string>): (text: string) => number[] {
  const root: TrieNode = { next: new Map(), id: -1 }
  const ids = new Map<string, number>()
  let lowest = 0
  model.vocab.forEach(([piece, score], id) => {
    ids.set(piece, id)
    if (score < lowest) lowest = score
    if (excluded.has(piece) || id === model.unk_id) return
    let node = root
    for (const character of piece) {
      let next = node.next.get(character)
      if (!next) node.next.set(character, (next = { next: new Map(), id: -1 }))
      node = next
    }
    node.id = id
  })
  // As in SentencePiece and the Rust library: an unknown character costs 10 more than the least likely piece.
  const unknownScore = lowest - 10
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  )
  const fallback = model.byte_fallback === true && bytes.every((id) => id !== undefined)
  const encoder = new TextEncoder()

  const unknown = (text: string): number[] => {
    if (fallback) return [...encoder.encode(text)].map((byte) => bytes[byte]!)
    return model.unk_id === null ? [] : [model.unk_id]
  }

  return (text) => {
    const characters = [...text]
    const best = new Float64Array(characters.length + 1).fill(-Infinity)
    const from = new Int32Array(characters.length + 1)
    const piece = new Int32Array(characters.length + 1)
    best[0] = 0
    for (let start = 0; start < characters.length; start++) {
      const base = best[start]!
      const offer = (end: number, score: number, id: number) => {
        if (base + score <= best[end]!) return
        best[end] = base + score
        from[end] = start
        piece[end] = id
      }
      let node: TrieNode | undefined = root
      let single = false
      for (let end = start; end < characters.length; end++) {
        node = node.next.get(characters[end]!)
        if (!node) break
        if (node.id < 0) continue
        if (end === start) single = true
        offer(end + 1, model.vocab[node.id]![1], node.id)
      }
      if (!single) offer(start + 1, unknownScore, -1)
    }
    const found: { id: number; start: number; end: number }[] = []
    for (let end = characters.length; end > 0; end = from[end]!) {
      const last = found.at(-1)
      // Neighbouring unknown characters are one unknown piece.
      if (piece[end] === -1 && last?.id === -1) last.start = from[end]!
      else found.push({ id: piece[end]!, start: from[end]!, end })
    }
    return found
      .reverse()
      .flatMap(({ id, start, end }) => (id === -1 ? unknown(characters.slice(start, end).join('')) : [id]))
  }
}
