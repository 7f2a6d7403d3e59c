import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { sectionsOf } from './sections.ts'
import { mergeByRank, tiktokenTokenizer } from './tiktoken.ts'
import { loadTokenizer } from './tokenizer-files.ts'
import { unigram } from './unigram.ts'

const fixtures = fileURLToPath(new URL('../../../../shared/fixtures/main/tokenizers/', import.meta.url))
const present = existsSync(fixtures)
if (!present) console.log('Left out: tokenizer goldens (../shared/fixtures is absent).')

interface Golden {
  encode: {
    text: string
    ids: number[]
    ids_with_special?: number[]
    ids_plain?: number[]
    decode: string
    decode_skip_special: string
  }[]
  decode_ids: { ids: number[]; decode: string }[]
  stream: { text?: string | null; ids: number[]; decode?: string }[]
}

const kinds = ['llama3', 'qwen2', 'qwen3', 'llama2', 'mistral', 'gemma', 'unigram', 'qwen1']

describe.skipIf(!present).each(kinds)('the %s tokenizer', (kind) => {
  const golden = present
    ? (JSON.parse(readFileSync(`${fixtures}${kind}/golden.json`, 'utf8')) as Golden)
    : { encode: [], decode_ids: [], stream: [] }
  const loading = present ? loadTokenizer(fixtures + kind) : null

  test('encodes every golden text', async () => {
    const tokenizer = (await loading)!
    for (const entry of golden.encode) {
      expect({ text: entry.text, ids: tokenizer.encode(entry.text, { special: true }) }).toEqual({
        text: entry.text,
        ids: entry.ids,
      })
      if (entry.ids_with_special)
        expect(tokenizer.encode(entry.text, { special: true, bos: true })).toEqual(entry.ids_with_special)
      if (entry.ids_plain)
        expect({ text: entry.text, ids: tokenizer.encode(entry.text) }).toEqual({
          text: entry.text,
          ids: entry.ids_plain,
        })
    }
  })

  test('decodes every golden list of ids', async () => {
    const tokenizer = (await loading)!
    for (const entry of golden.encode) {
      expect(tokenizer.decode(entry.ids)).toBe(entry.decode)
      expect(tokenizer.decode(entry.ids, { skipSpecial: true })).toBe(entry.decode_skip_special)
    }
    for (const entry of golden.decode_ids) expect(tokenizer.decode(entry.ids)).toBe(entry.decode)
  })

  test('streams text that joins to the whole and never shows half a character', async () => {
    const tokenizer = (await loading)!
    for (const entry of golden.stream) {
      const stream = tokenizer.stream()
      const deltas = [...entry.ids.map((id) => stream.push(id)), stream.end()]
      expect(deltas.join('')).toBe(entry.decode ?? tokenizer.decode(entry.ids))
      if (typeof entry.text === 'string') for (const delta of deltas) expect(delta).not.toContain('\uFFFD')
    }
  })

  test('never makes a special token of text that is not allowed to hold one', async () => {
    const tokenizer = (await loading)!
    const ids = new Set(tokenizer.specials.values())
    for (const special of tokenizer.specials.keys()) {
      const plain = tokenizer.encode(`a ${special} b${special}`)
      // <unk> stands for what the vocabulary cannot express; it opens no turn.
      expect(plain.filter((id) => ids.has(id) && id !== tokenizer.idOf('<unk>'))).toEqual([])
    }
  })
})

test('a special token counts only where the rule lets one start', () => {
  const cut = sectionsOf([
    { content: '<x>', id: 7, special: true },
    { content: '<xy>', id: 8, special: false },
  ])
  expect(cut('a<x>b<x>', (at) => at > 3)).toEqual([{ text: 'a<x>b', start: 0 }, { id: 7 }])
  expect(cut('<xy><x>', false)).toEqual([{ id: 8 }, { text: '<x>', start: 4 }])
})

test('white space next to a stripping token is swallowed', () => {
  const cut = sectionsOf([{ content: '|', id: 1, special: true, lstrip: true, rstrip: true }])
  expect(cut('a  | \n b', true)).toEqual([{ text: 'a', start: 0 }, { id: 1 }, { text: 'b', start: 7 }])
})

test('merging by rank takes the lowest rank first and the leftmost of equals', () => {
  const ranks = new Map([
    ['a', 0],
    ['b', 1],
    ['ab', 2],
    ['aa', 3],
    ['aab', 9],
  ])
  expect(mergeByRank('aab', new Map([...ranks].filter(([key]) => key !== 'aab')))).toEqual([0, 2])
  expect(mergeByRank('aaa', ranks)).toEqual([3, 0])
  expect(mergeByRank('aab', ranks)).toEqual([9])
})

test('a long run of letters is encoded in far less than quadratic time', () => {
  const lines = Array.from({ length: 256 }, (_, byte) => `${Buffer.from([byte]).toString('base64')} ${byte}`)
  const tokenizer = tiktokenTokenizer([...lines, `${Buffer.from('aa').toString('base64')} 256`].join('\n'))
  const started = performance.now()
  expect(tokenizer.encode('a'.repeat(100_000))).toHaveLength(50_000)
  expect(performance.now() - started).toBeLessThan(5000)
})

test('unknown characters of a unigram model become one unknown piece, or their bytes', () => {
  const vocab: [string, number][] = [
    ['<unk>', 0],
    ['a', -1],
    ['ab', -1.5],
    ['b', -1],
  ]
  expect(unigram({ vocab, unk_id: 0 }, new Set())('abξψa')).toEqual([2, 0, 1])
  const bytes = Array.from({ length: 256 }, (_, byte): [string, number] => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    -9,
  ])
  expect(unigram({ vocab: [...vocab, ...bytes], unk_id: 0, byte_fallback: true }, new Set())('é')).toEqual([
    4 + 0xc3,
    4 + 0xa9,
  ])
})
