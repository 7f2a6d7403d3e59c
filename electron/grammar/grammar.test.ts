/**
 * Grammars walked at random, token by token: whatever it lets through must be what was asked
 * for, judged by JSON.parse, by ajv and by JavaScript's own regular expressions.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { prepareFormat } from './follow.ts'
import { choiceGrammar, FormatError, regexGrammar, schemaGrammar } from './grammar.ts'
import { idsOf } from './masks.ts'
import { createVocabulary } from './vocabulary.ts'

/** Every byte, and tokens that cross the borders between the parts of JSON. */
const words = [
  '{"',
  '":',
  '": ',
  '",',
  '", "',
  '"}',
  '"}]',
  ']}',
  '}}',
  '],',
  '},',
  '[{',
  '[[',
  'true',
  'false,',
  'null]',
  '12',
  '0.5',
  '-1',
  'e+',
  '\\"',
  '\\u00',
  '  ',
  '\n  ',
  'é',
  '字',
  'ab',
  'foo',
]
const vocab = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...words.map((word) => new TextEncoder().encode(word)),
]
const end = vocab.push(new Uint8Array()) - 1

const ends: number[] = []
for (const token of vocab) ends.push((ends.at(-1) ?? 0) + token.length)
const tokens = { bytes: Uint8Array.from(vocab.flatMap((token) => [...token])), ends: Uint32Array.from(ends) }
const vocabulary = createVocabulary(tokens, vocab.length)

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Bytes that end things: walks that prefer them come to an end. */
const enders = new Set(['"', '}', ']', ' ', '0'].map((c) => c.charCodeAt(0)))

/** Texts that the grammar lets through. */
function walks(ebnf: string, count: number, most = 400): string[] {
  const format = prepareFormat(ebnf, tokens, vocabulary)
  const texts: string[] = []
  for (let seed = 1; texts.length < count; seed++) {
    if (seed > 6 * count) throw new Error(`Hardly a walk comes to its end: ${ebnf}`)
    const random = generator(seed * 7919)
    random()
    const hurry = 0.2 + 0.8 * random()
    const following = format.begin([end])
    const bytes: number[] = []
    for (let step = 0; step < most; step++) {
      const mask = following.next()
      if (mask === 'stuck') throw new Error(`A dead end after ${JSON.stringify(Buffer.from(bytes).toString())}`)
      if (mask === 'whole') {
        texts.push(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)))
        break
      }
      const ids = idsOf(mask)
      const preferred = ids.filter((id) => id === end || enders.has(id))
      const list = preferred.length > 0 && random() < hurry ? preferred : ids
      const id = list[Math.floor(random() * list.length)]!
      expect(following.take(id)).toBe(true)
      bytes.push(...vocab[id]!)
    }
    following.end()
  }
  return texts
}

function accepts(ebnf: string, text: string): boolean {
  const following = prepareFormat(ebnf, tokens, vocabulary).begin([end])
  return [...new TextEncoder().encode(text), end].every((id) => following.take(id))
}

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
    email: { type: 'string', format: 'email' },
    tags: { type: 'array', items: { enum: ['a', 'b"c', 'd\\e', 'é\n'] }, minItems: 1, maxItems: 3 },
  },
  required: ['name', 'age', 'tags'],
  additionalProperties: false,
}

const schemas: Record<string, unknown> = {
  'any value': true,
  'any object': { type: 'object' },
  person,
  nested: {
    type: 'object',
    properties: { people: { type: 'array', items: person, maxItems: 2 }, best: person },
    required: ['people'],
    additionalProperties: false,
  },
  'names that need escapes': {
    type: 'object',
    properties: { 'a"b\\c\n é': { type: 'null' } },
    required: ['a"b\\c\n é'],
    additionalProperties: false,
  },
  'only optional': {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'boolean' }, c: { type: 'null' } },
    additionalProperties: false,
  },
  'required but not described': { type: 'object', properties: { a: { type: 'integer' } }, required: ['b'] },
  'further ones of a type': {
    type: 'object',
    properties: { a: { type: 'integer' }, ab: { type: 'integer' } },
    required: ['ab'],
    additionalProperties: { type: 'string' },
  },
  'a map': { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 2 },
  'any of': {
    anyOf: [
      { type: 'string', pattern: '^[a-z]{2,4}-\\d+$' },
      { type: 'null' },
      { type: 'array', items: { type: 'boolean' }, minItems: 2 },
    ],
  },
  'any of beside properties': {
    type: 'object',
    properties: { a: { type: 'integer' }, b: { type: 'integer' } },
    anyOf: [{ required: ['a'] }, { required: ['b'] }],
  },
  'all of': {
    allOf: [
      { $ref: '#/$defs/a' },
      { type: 'object', properties: { y: { type: 'string', maxLength: 3 } }, required: ['y'] },
    ],
    $defs: { a: { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] } },
  },
  recursive: {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
        required: ['v', 'next'],
        additionalProperties: false,
      },
    },
  },
  'a tuple': {
    type: 'array',
    prefixItems: [{ type: 'string' }, { type: 'integer' }],
    items: { type: 'boolean' },
    minItems: 3,
    maxItems: 5,
  },
  'types in a list': { type: ['integer', 'null', 'string'], maxLength: 4, minimum: 5 },
  constant: { const: { a: [1, 'x"', null] } },
  enumeration: { enum: ['red', 1.5, null, true, { a: 1 }] },
  'whole numbers from 17 to 4203': { type: 'integer', minimum: 17, maximum: 4203 },
  'whole numbers above -35': { type: 'integer', exclusiveMinimum: -35 },
  'whole numbers up to -8': { type: 'integer', maximum: -8 },
  'numbers from -1.25 to 3.5': { type: 'number', minimum: -1.25, exclusiveMaximum: 3.5 },
  'numbers from 0.1 to 0.95': { type: 'number', minimum: 0.1, maximum: 0.95 },
  'numbers below -0.5': { type: 'number', exclusiveMaximum: -0.5 },
  'numbers above 99.5': { type: 'number', exclusiveMinimum: 99.5 },
  'a pattern with quotes': { type: 'string', pattern: '^["\\\\\\t][^x]{1,3}$' },
  'dates and times': {
    type: 'array',
    prefixItems: [
      { type: 'string', format: 'date-time' },
      { type: 'string', format: 'uuid' },
      { type: 'string', format: 'ipv4' },
    ],
  },
  'long strings': { type: 'string', minLength: 3, maxLength: 900 },
}

describe('JSON Schema', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  test.each(Object.entries(schemas))('%s: every text is valid', (_, schema) => {
    const validate = ajv.compile(schema as object)
    for (const text of walks(schemaGrammar(schema), 25)) {
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        throw new Error(`This is not JSON: ${text}`)
      }
      if (!validate(value)) throw new Error(`${text} is not valid: ${ajv.errorsText(validate.errors)}`)
    }
  })

  test('what is valid and plainly written is let through', () => {
    const cases: [unknown, unknown[]][] = [
      [
        person,
        [
          { name: 'Ann', age: 0, tags: ['a'] },
          { name: '字"\\\n', age: 130, email: 'a.b@c.de', tags: ['b"c', 'é\n', 'a'] },
        ],
      ],
      [schemas['whole numbers from 17 to 4203'], [17, 20, 99, 100, 999, 1000, 4199, 4200, 4203]],
      [schemas['whole numbers above -35'], [-34, -9, 0, 1, 123456]],
      [schemas['numbers from -1.25 to 3.5'], [-1.25, -1, -0.5, 0, 0.001, 2.75, 3, 3.499]],
      [schemas['numbers above 99.5'], [99.51, 100, 1e6]],
      [true, [{ a: [1, -2.5e-7, 'x', { b: null }] }, [], {}, 'é😀', -0.5]],
    ]
    for (const [schema, values] of cases) {
      const grammar = schemaGrammar(schema)
      for (const value of values) {
        for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
          expect([text, accepts(grammar, text)]).toEqual([text, true])
        }
      }
    }
  })

  test('what is not valid is not let through', () => {
    const cases: [unknown, string[]][] = [
      [
        person,
        [
          '{"name":"","age":1,"tags":["a"]}',
          '{"name":"x","age":131,"tags":["a"]}',
          '{"name":"x","age":1,"tags":[]}',
          '{"name":"x","age":1,"tags":["a"],"z":1}',
          '{"name":"\t","age":1,"tags":["a"]}',
        ],
      ],
      [schemas['further ones of a type'], ['{"ab":1,"a":"x"}', '{"ab":1,"ab":"x"}', '{"ab":1,"c":1}']],
      [schemas['whole numbers from 17 to 4203'], ['16', '4204', '017', '17.0', '5000']],
      [schemas['numbers from -1.25 to 3.5'], ['3.5', '-1.26', '4', '-2']],
    ]
    for (const [schema, texts] of cases) {
      const grammar = schemaGrammar(schema)
      for (const text of texts) expect([text, accepts(grammar, text)]).toEqual([text, false])
    }
  })

  test.each<[unknown, RegExp]>([
    [{ not: {} }, /"not" is not supported/],
    [
      { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } },
      /"uniqueItems" is not supported, at #\/properties\/a/,
    ],
    [{ type: 'strin' }, /"type": "strin" is no type/],
    [{ $ref: 'https://elsewhere/schema' }, /leads out of the schema/],
    [{ $ref: '#/$defs/no' }, /leads nowhere/],
    [{ type: 'string', pattern: '(?=a)b' }, /look-around/],
    [{ type: 'integer', minimum: 5, maximum: 4 }, /no number lies between/],
    [{ type: 'array', minItems: 3, maxItems: 2 }, /"maxItems" is below "minItems"/],
    [{ type: 'object', required: ['a'], additionalProperties: false }, /"required" names "a", which is not allowed/],
    [{ enum: [] }, /"enum" allows nothing/],
    [false, /allows nothing/],
    ['x', /neither an object nor true or false/],
  ])('%j is refused', (schema, message) => {
    expect(() => schemaGrammar(schema)).toThrow(FormatError)
    expect(() => schemaGrammar(schema)).toThrow(message)
  })
})

describe('regular expressions', () => {
  test.each([
    '^abc$',
    'a|b|',
    '(foo|bar){1,3}x?',
    '[a-c\\-\\]]+',
    '\\d{3}-\\w+',
    '[^"a]{2}',
    '.{0,5}',
    '(?:yes|no)(?<why>, because .{1,4})?',
    '\\u00e9+',
    '[\\s]x*?',
  ])('%s: every text matches', (pattern) => {
    const whole = new RegExp(`^(?:${pattern})$`, 'u')
    for (const text of walks(regexGrammar(pattern), 30)) expect([text, whole.test(text)]).toEqual([text, true])
  })

  test.each(['[a', 'a{3,2}', '(?=a)', '(a', 'a)', '\\bx', '(a)\\1', '\\p{L}', '*', 'a^b', '[z-a]', 'a{9999}'])(
    '%s is refused',
    (pattern) => {
      expect(() => regexGrammar(pattern)).toThrow(FormatError)
    },
  )
})

test('a choice is one of its texts', () => {
  const choices = ['positive', 'a "b" \\ c\n', '字', 'pos']
  const texts = walks(choiceGrammar(choices), 40)
  expect(new Set(texts)).toEqual(new Set(choices))
  expect(() => choiceGrammar([])).toThrow(FormatError)
})
