/** The tokenizer inside a GGUF file, as the tokenizer.json and tokenizer_config.json of the same model. Pure. */
import { LanyardError } from '../../contract/errors.ts'
import type { Json, JsonObject } from '../architecture/config.ts'
import type { Gguf } from './gguf.ts'

/** tokenizer.ggml.token_type */
const kinds = { control: 3, userDefined: 4, unused: 5 }

const qwenSplit = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
const llamaSplit = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }
const splitting = (pattern: string): JsonObject => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    { ...byteLevel, use_regex: false },
  ],
})

interface Splitter {
  preTokenizer: JsonObject
  normalizer: JsonObject | null
  ignoreMerges: boolean
  bos: boolean
}

const llamaBpe: Splitter = { preTokenizer: splitting(llamaSplit), normalizer: null, ignoreMerges: true, bos: true }
const qwen: Splitter = {
  preTokenizer: splitting(qwenSplit),
  normalizer: { type: 'NFC' },
  ignoreMerges: false,
  bos: false,
}
const plain: Splitter = {
  preTokenizer: { ...byteLevel, use_regex: true },
  normalizer: null,
  ignoreMerges: false,
  bos: false,
}
const smol: Splitter = {
  ...plain,
  preTokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Digits', individual_digits: true },
      { ...byteLevel, use_regex: true },
    ],
  },
}

/** tokenizer.ggml.pre → how a text is split before merging. */
const splitters: Record<string, Splitter> = {
  'llama-bpe': llamaBpe,
  llama3: llamaBpe,
  'llama-v3': llamaBpe,
  qwen2: qwen,
  'deepseek-r1-qwen': qwen,
  'gpt-2': plain,
  smollm: smol,
}

interface Vocabulary {
  tokens: string[]
  types: number[]
  text(key: string): string
  /** a token's id under a key, or null */
  id(key: string): number | null
  flag(key: string, fallback: boolean): boolean
}

function refuse(file: string, what: string): never {
  throw new LanyardError(
    'model_tokenizer',
    `The tokenizer of ${file} ${what}.`,
    'Use the safetensors version of this model, with its tokenizer.json.',
  )
}

function listOf<T>(gguf: Gguf, key: string, check: (value: unknown) => value is T): T[] | null {
  const value = gguf.metadata.get(`tokenizer.ggml.${key}`)
  return Array.isArray(value) && value.every((each): each is T & (typeof value)[number] => check(each)) ? value : null
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number'

function vocabularyOf(gguf: Gguf, file: string): Vocabulary {
  const get = (key: string) => gguf.metadata.get(`tokenizer.ggml.${key}`)
  const tokens = listOf(gguf, 'tokens', isText)
  if (!tokens) refuse(file, 'has no list of tokens')
  return {
    tokens,
    types: listOf(gguf, 'token_type', isNumber) ?? [],
    text: (key) => String(get(key) ?? ''),
    id: (key) => {
      const value = get(key)
      return typeof value === 'number' && value >= 0 && value < tokens.length ? value : null
    },
    flag: (key, fallback) => {
      const value = get(key)
      return typeof value === 'boolean' ? value : fallback
    },
  }
}

/** SentencePiece's merges: a token may come from any two others that make it; better scores first. */
function mergesOf(vocab: Map<string, number>, scores: readonly number[]): [string, string][] {
  const merges: { pair: [string, string]; score: number; ids: [number, number] }[] = []
  for (const [token, id] of vocab) {
    const characters = Array.from(token)
    for (let i = 1; i < characters.length; i++) {
      const left = characters.slice(0, i).join('')
      const right = characters.slice(i).join('')
      const [a, b] = [vocab.get(left), vocab.get(right)]
      if (a !== undefined && b !== undefined) merges.push({ pair: [left, right], score: scores[id] ?? 0, ids: [a, b] })
    }
  }
  merges.sort((x, y) => y.score - x.score || x.ids[0] - y.ids[0] || x.ids[1] - y.ids[1])
  return merges.map(({ pair }) => pair)
}

function framing(v: Vocabulary, bos: number | null, adds: boolean): JsonObject | null {
  if (bos === null || !adds) return null
  const name = v.tokens[bos]!
  return {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: name, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { [name]: { id: name, ids: [bos], tokens: [name] } },
  }
}

function addedTokens(v: Vocabulary): JsonObject[] {
  return v.tokens.flatMap((content, id) => {
    const type = v.types[id]
    if (type !== kinds.control && type !== kinds.userDefined) return []
    const special = type === kinds.control
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
}

function bytePair(gguf: Gguf, v: Vocabulary, file: string): { json: JsonObject; bos: boolean } {
  const pre = v.text('pre')
  const splitter = splitters[pre]
  if (!splitter) refuse(file, `splits text as "${pre}", which is not supported`)
  const merges = listOf(gguf, 'merges', isText)
  if (!merges) refuse(file, 'has no merges')
  const own = v.tokens.flatMap((token, id): [string, number][] =>
    v.types[id] === kinds.control || v.types[id] === kinds.userDefined || v.types[id] === kinds.unused
      ? []
      : [[token, id]],
  )
  const pairs: Json[] = merges.map((merge) => {
    const at = merge.indexOf(' ', 1)
    return [merge.slice(0, at), merge.slice(at + 1)]
  })
  return {
    bos: splitter.bos,
    json: {
      normalizer: splitter.normalizer,
      pre_tokenizer: splitter.preTokenizer,
      decoder: { ...byteLevel, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: splitter.ignoreMerges,
        vocab: Object.fromEntries(own),
        merges: pairs,
      },
    },
  }
}

function sentencePiece(gguf: Gguf, v: Vocabulary, file: string): { json: JsonObject; bos: boolean } {
  const scores = listOf(gguf, 'scores', isNumber)
  if (!scores) refuse(file, 'has no scores')
  const vocab = new Map(
    v.tokens.flatMap((token, id): [string, number][] => (v.types[id] === kinds.unused ? [] : [[token, id]])),
  )
  const unknown = v.tokens[v.id('unknown_token_id') ?? 0] ?? '<unk>'
  const prefix = v.flag('add_space_prefix', true)
  const toMeta = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  const decoders: JsonObject[] = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ]
  if (prefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 })
  return {
    bos: true,
    json: {
      normalizer: { type: 'Sequence', normalizers: prefix ? [{ type: 'Prepend', prepend: '▁' }, toMeta] : [toMeta] },
      pre_tokenizer: null,
      decoder: { type: 'Sequence', decoders },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: unknown,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: Object.fromEntries(vocab),
        merges: mergesOf(vocab, scores),
      },
    },
  }
}

export interface GgufTokenizer {
  /** tokenizer.json */
  json: JsonObject
  /** tokenizer_config.json, with the chat template */
  config: JsonObject
  /** generation_config.json */
  generation: JsonObject
}

/** Throws `model_tokenizer` for kinds that cannot be mapped. */
export function tokenizerOfGguf(gguf: Gguf, file: string): GgufTokenizer {
  const v = vocabularyOf(gguf, file)
  const kind = v.text('model')
  if (kind !== 'gpt2' && kind !== 'llama') refuse(file, `is of the kind "${kind}", which is not supported`)
  const { json, bos: adds } = kind === 'gpt2' ? bytePair(gguf, v, file) : sentencePiece(gguf, v, file)
  const [bos, eos, eot] = [v.id('bos_token_id'), v.id('eos_token_id'), v.id('eot_token_id')]
  const template = gguf.metadata.get('tokenizer.chat_template')
  const config: JsonObject = {}
  if (bos !== null) config['bos_token'] = v.tokens[bos]!
  if (eos !== null) config['eos_token'] = v.tokens[eos]!
  if (typeof template === 'string') config['chat_template'] = template
  return {
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(v),
      post_processor: framing(v, bos, v.flag('add_bos_token', adds)),
      ...json,
    },
    config,
    generation: { eos_token_id: [eos, eot].filter((id) => id !== null) },
  }
}
