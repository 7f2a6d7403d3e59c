/**
 * tokenizer.json, on the parts of @huggingface/tokenizers (normalizer, pre-tokenizer, BPE). The order of the steps
 * is ours: which special tokens count must be decided per place in the text, which the library cannot do.
 */
import { Tokenizer as Library } from '@huggingface/tokenizers'
import { LanyardError } from '../../contract/errors.ts'
import { isObject, type JsonObject } from '../architecture/config.ts'
import { byteLevelTable, decodeAll, type Decoding, streamOf, type TokenText } from './decoding.ts'
import { sectionsOf, type SurfaceToken } from './sections.ts'
import type { EncodeOptions, Tokenizer } from './tokenizer.ts'
import { unigram, type UnigramModel } from './unigram.ts'

function refuse(what: string): never {
  throw new LanyardError(
    'model_tokenizer',
    `tokenizer.json uses ${what}, which is not supported.`,
    'Choose another checkpoint of this model.',
  )
}

/** A decoder or post-processor and, for a Sequence, its parts. */
function steps(node: unknown, key: string): JsonObject[] {
  if (!isObject(node)) return []
  const inner = node[key]
  return node['type'] === 'Sequence' && Array.isArray(inner) ? inner.filter(isObject) : [node]
}

/** The decoder as bytes per token. */
function decodingOf(json: JsonObject, tokenOf: (id: number) => string | undefined): Decoding {
  const encoder = new TextEncoder()
  const table = byteLevelTable()
  const replace: [string, string][] = []
  let byteLevel = false
  let fallback = false
  let stripFirstSpace = false
  for (const step of steps(json['decoder'], 'decoders')) {
    switch (step['type']) {
      case 'ByteLevel':
        byteLevel = true
        break
      case 'ByteFallback':
        fallback = true
        break
      case 'Fuse':
        break
      case 'Replace': {
        const pattern = isObject(step['pattern']) ? step['pattern']['String'] : undefined
        if (typeof pattern !== 'string') refuse('a decoder that replaces by regular expression')
        replace.push([pattern, String(step['content'] ?? '')])
        break
      }
      case 'Metaspace':
        replace.push([String(step['replacement'] ?? '▁'), ' '])
        if (step['prepend_scheme'] !== 'never') stripFirstSpace = true
        break
      case 'Strip':
        if (step['content'] !== ' ' || step['start'] !== 1 || step['stop'] !== 0) refuse('an unusual Strip decoder')
        stripFirstSpace = true
        break
      default:
        refuse(`the decoder "${String(step['type'])}"`)
    }
  }
  const cache = new Map<number, TokenText>()
  const make = (id: number): TokenText => {
    let token = tokenOf(id) ?? ''
    if (byteLevel) {
      const bytes = [...token].map((character) => table.get(character))
      if (bytes.every((byte) => byte !== undefined)) return { bytes: Uint8Array.from(bytes), fallback: false }
    }
    if (fallback && /^<0x[0-9A-Fa-f]{2}>$/.test(token)) {
      return { bytes: Uint8Array.of(Number.parseInt(token.slice(3, 5), 16)), fallback: true }
    }
    for (const [from, to] of replace) token = token.replaceAll(from, to)
    return { bytes: encoder.encode(token), fallback: false }
  }
  return {
    stripFirstSpace,
    textOf(id) {
      let text = cache.get(id)
      if (!text) cache.set(id, (text = make(id)))
      return text
    },
  }
}

/** Ids that the post-processor puts before and after a text. */
function framing(json: JsonObject): { before: number[]; after: number[] } {
  for (const step of steps(json['post_processor'], 'processors')) {
    if (step['type'] !== 'TemplateProcessing' || !Array.isArray(step['single'])) continue
    const table = isObject(step['special_tokens']) ? step['special_tokens'] : {}
    const before: number[] = []
    const after: number[] = []
    let seen = false
    for (const part of step['single']) {
      if (!isObject(part)) continue
      if (isObject(part['Sequence'])) seen = true
      const name = isObject(part['SpecialToken']) ? String(part['SpecialToken']['id']) : null
      const entry = name === null ? null : table[name]
      if (isObject(entry) && Array.isArray(entry['ids'])) (seen ? after : before).push(...entry['ids'].map(Number))
    }
    return { before, after }
  }
  return { before: [], after: [] }
}

/** Markers that some checkpoints forget to call special, but that only a template should write. */
const marker = /^<[|｜].*[|｜]>$/

/** A token named in tokenizer_config.json: a string, or an object with its content. */
export function tokenName(value: unknown): string | null {
  if (typeof value === 'string') return value
  return isObject(value) && typeof value['content'] === 'string' ? value['content'] : null
}

/**
 * @param json tokenizer.json
 * @param config tokenizer_config.json
 * Throws `model_tokenizer` when the file is not one, or uses a step that is not supported.
 */
export function huggingFaceTokenizer(json: JsonObject, config: JsonObject): Tokenizer {
  let library: Library
  try {
    library = new Library(json, config)
  } catch (cause) {
    throw new LanyardError(
      'model_tokenizer',
      `tokenizer.json cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Download or copy tokenizer.json again.',
      { cause },
    )
  }
  const { normalizer, pre_tokenizer: preTokenizer, model } = library
  if (!model) refuse('no model')
  const added = (Array.isArray(json['added_tokens']) ? json['added_tokens'] : []).filter(isObject).map((entry) => ({
    content: String(entry['content'] ?? ''),
    id: Number(entry['id']),
    special: entry['special'] === true || marker.test(String(entry['content'] ?? '')),
    lstrip: entry['lstrip'] === true,
    rstrip: entry['rstrip'] === true,
    singleWord: entry['single_word'] === true,
    // A special token is looked for in the text as it is, so that its place can be judged.
    late: entry['normalized'] === true && entry['special'] !== true && normalizer !== null,
  }))
  const specials = new Map(added.filter((token) => token.special).map((token) => [token.content, token.id]))
  const skipped = new Set(added.filter((token) => token.special).map((token) => token.id))
  const cut = sectionsOf(added.filter((token) => !token.late))
  const cutLate = sectionsOf(
    added
      .filter((token) => token.late)
      .map((token): SurfaceToken => ({ ...token, content: normalizer!.normalize(token.content) })),
  )

  const modelJson = isObject(json['model']) ? json['model'] : {}
  const viterbi =
    modelJson['type'] === 'Unigram' ? unigram(modelJson as unknown as UnigramModel, new Set(specials.keys())) : null
  const idsOf = (pieces: string[]): number[] => {
    if (viterbi) return pieces.flatMap(viterbi)
    const unknown = model.unk_token_id
    return model._call(pieces).flatMap((token: string) => {
      const id = model.tokens_to_ids.get(token) ?? unknown
      return id === undefined ? [] : [id]
    })
  }
  const encodeText = (text: string, first: boolean): number[] => {
    const normal = normalizer ? normalizer.normalize(text) : text
    return cutLate(normal, true).flatMap((section) => {
      if ('id' in section) return [section.id]
      return idsOf(
        preTokenizer ? preTokenizer.pre_tokenize(section.text, { section_index: first ? 0 : 1 }) : [section.text],
      )
    })
  }
  const frame = framing(json)
  const size = [...model.tokens_to_ids.values()].reduce((most, id) => Math.max(most, id + 1), 0)
  const decoding = decodingOf(json, (id) => library.id_to_token(id))
  const skipOf = (skipSpecial: boolean | undefined) => (id: number) => skipSpecial === true && skipped.has(id)
  const idOf = (token: string | null) => (token === null ? null : (model.tokens_to_ids.get(token) ?? null))

  return {
    kind: 'tokenizer.json',
    size,
    bos: idOf(tokenName(config['bos_token'])),
    eos: idOf(tokenName(config['eos_token'])),
    specials,
    encode(text, options: EncodeOptions = {}) {
      const ids = cut(text, options.special ?? false).flatMap((section) =>
        'id' in section ? [section.id] : encodeText(section.text, section.start === 0),
      )
      return options.bos ? [...frame.before, ...ids, ...frame.after] : ids
    },
    decode: (ids, options) => decodeAll(decoding, ids, skipOf(options?.skipSpecial)),
    stream: (options) => streamOf(decoding, skipOf(options?.skipSpecial)),
    idOf,
    bytesOf: (id) => decoding.textOf(id).bytes,
  }
}
