/**
 * JSON Schema as a grammar: every text that the grammar allows is valid by the schema. The grammar may allow less:
 * properties come in the schema's order; a schema that lists properties and is silent about further ones gets none; a
 * pattern matches the whole string; white space is what printers of JSON write. What it cannot keep is refused, never
 * left out; `oneOf` is read as `anyOf`, as everybody does.
 */
import { characters, either, FormatError, literal, nothing, repeated } from './ebnf.ts'
import type { Rules } from './ebnf.ts'
import { annotations, isSchema, merged } from './merge.ts'
import type { AnySchema, Schema } from './merge.ts'
import { boundedIntegers, boundedNumbers } from './numbers.ts'
import { parseRegex, regexExpression } from './regex.ts'

/** Keywords that mean something and cannot be kept. */
const refused = new Set([
  'not',
  'if',
  'then',
  'else',
  'contains',
  'minContains',
  'maxContains',
  'multipleOf',
  'propertyNames',
  'patternProperties',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'unevaluatedItems',
  '$dynamicRef',
  '$recursiveRef',
  'additionalItems',
])

/** The types that a keyword is about: a schema without `type` is taken to mean them. */
const typeOfKeyword: Record<string, string> = {
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  minProperties: 'object',
  maxProperties: 'object',
  items: 'array',
  prefixItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  pattern: 'string',
  minLength: 'string',
  maxLength: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
}

/** Formats that are kept; the others are, as the standard has it, remarks. */
const date = '(\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\\d|2[0-8]))'
const time = '(([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d))'
const byte = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const formats: Record<string, string> = {
  date,
  time,
  'date-time': `${date}T${time}`,
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  ipv4: `${byte}(\\.${byte}){3}`,
  email: '[A-Za-z0-9_+-]{1,20}(\\.[A-Za-z0-9_+-]{1,20}){0,3}@[A-Za-z0-9]{1,20}(\\.[A-Za-z]{2,10}){1,3}',
}

/** Expressions for the parts that all JSON is made of. */
export function jsonParts(rules: Rules) {
  const plain = characters([
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0xd7ff],
    [0xe000, 0x10ffff],
  ])
  // No surrogates: a pair would count as one character of a string's length, and a lone one is none.
  const escape = (): string =>
    rules.shared('escape', () => '["\\\\/bfnrt] | "u" ([0-9A-Ca-cE-Fe-f] [0-9A-Fa-f]{3} | [Dd] [0-7] [0-9A-Fa-f]{2})')
  const space = (): string => rules.shared('space', () => '"" | " " | "\\n" [ ]{0,40}')
  const string = (): string => rules.shared('string', () => `"\\"" (${plain} | "\\\\" ${escape()})* "\\""`)
  const character = (): string => rules.shared('character', () => `${plain} | "\\\\" ${escape()}`)
  const integer = (): string => rules.shared('integer', () => '"-"? ("0" | [1-9] [0-9]{0,15})')
  const number = (): string =>
    rules.shared('number', () => `${integer()} ("." [0-9]{1,16})? ([eE] [+\\-]? [0-9]{1,2})?`)
  const list = (item: string): string => `"[" ${space()} (${item} ("," ${space()} ${item})* ${space()})? "]"`
  const any = (): string =>
    rules.shared('any', () => `${object()} | ${array()} | ${string()} | ${number()} | "true" | "false" | "null"`)
  const array = (): string => rules.shared('array', () => list('any'))
  const object = (): string =>
    rules.shared('object', () => {
      const pair = `${string()} ":" ${space()} any`
      return `"{" ${space()} (${pair} ("," ${space()} ${pair})* ${space()})? "}"`
    })
  return {
    space,
    string,
    character,
    plain,
    integer,
    number,
    any: () => (any(), 'any'),
    object: () => (any(), 'object'),
    array: () => (any(), 'array'),
  }
}

/** A start expression for texts that are valid by `schema`. Throws FormatError, which names the place. */
export function schemaExpression(root: unknown, rules: Rules): string {
  const json = jsonParts(rules)
  /** `$ref` → its rule */
  const references = new Map<string, string>()

  function at<T>(path: string, what: () => T): T {
    try {
      return what()
    } catch (error) {
      if (!(error instanceof FormatError) || / at #/.test(error.message)) throw error
      throw new FormatError(`${error.message}, at ${path}`)
    }
  }
  const fail = (what: string): never => {
    throw new FormatError(what)
  }

  function resolve(reference: unknown): unknown {
    if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
      return fail(`"$ref": ${JSON.stringify(reference)} leads out of the schema`)
    let found: unknown = root
    for (const part of reference.slice(1).split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
      found =
        typeof found === 'object' && found !== null && Object.hasOwn(found, key) ? (found as Schema)[key] : undefined
    }
    return found === undefined ? fail(`"$ref": ${JSON.stringify(reference)} leads nowhere`) : found
  }

  /** The schema with its references at the top replaced, for merging. */
  function opened(schema: AnySchema, depth = 0): AnySchema {
    if (typeof schema === 'boolean' || schema['$ref'] === undefined) return schema
    if (depth > 20) fail('references that lead back to themselves')
    const { $ref, ...rest } = schema
    return merged(opened(checked(resolve($ref)), depth + 1), rest)
  }

  function checked(schema: unknown): AnySchema {
    if (typeof schema === 'boolean' || isSchema(schema)) return schema
    return fail('a schema that is neither an object nor true or false')
  }

  function convert(given: unknown, path: string, depth: number): string {
    return at(path, () => {
      const schema = checked(given)
      if (schema === false) fail('a schema that allows nothing')
      if (schema === true) return json.any()
      if (depth > 100) fail('a schema that is nested too deeply')
      return convertSchema(schema as Schema, path, depth + 1)
    })
  }

  function convertSchema(schema: Schema, path: string, depth: number): string {
    const { nullable, ...told } = schema
    if (nullable === true) {
      const rest = convertSchema(told, path, depth)
      return either([rest, literal('null')])
    }
    const wrong = Object.keys(schema).find((key) => refused.has(key))
    if (wrong !== undefined) fail(`"${wrong}" is not supported`)
    if (schema['uniqueItems'] === true) fail('"uniqueItems" is not supported')
    const keys = Object.keys(schema).filter((key) => !annotations.has(key))

    if (schema['$ref'] !== undefined) {
      if (keys.length > 1) return convert(opened(schema), path, depth)
      const reference = String(schema['$ref'])
      const known = references.get(reference)
      if (known !== undefined) return known
      const target = resolve(schema['$ref'])
      const rule = rules.open(reference.split('/').at(-1) ?? 'root')
      references.set(reference, rule.name)
      rule.close(convert(target, reference, depth))
      return rule.name
    }
    if (schema['allOf'] !== undefined) {
      const { allOf, ...rest } = schema
      if (!Array.isArray(allOf) || allOf.length === 0) fail('"allOf" is not a list of schemas')
      const parts = (allOf as unknown[]).map((part) => opened(checked(part)))
      return convert(
        parts.reduce((sum, part) => merged(sum, part), rest),
        path,
        depth,
      )
    }
    for (const name of ['anyOf', 'oneOf']) {
      const { [name]: options, ...rest } = schema
      if (options === undefined) continue
      if (!Array.isArray(options) || options.length === 0) fail(`"${name}" is not a list of schemas`)
      const isAlone = Object.keys(rest).every((key) => annotations.has(key))
      const { $defs: _, definitions: __, ...base } = rest
      const found = (options as unknown[]).flatMap((option, n) => {
        const both = at(path, () => (isAlone ? checked(option) : merged(base, opened(checked(option)))))
        return both === false ? [] : [convert(both, `${path}/${name}/${n}`, depth)]
      })
      if (found.length === 0) fail(`"${name}" allows nothing`)
      return rules.add('option', found.join(' | '))
    }
    if (schema['const'] !== undefined || schema['enum'] !== undefined) return values(schema, keys)
    return types(schema, keys, path, depth)
  }

  function values(schema: Schema, keys: string[]): string {
    const odd = keys.find((key) => !['const', 'enum', 'type'].includes(key))
    if (odd !== undefined) fail(`"${odd}" beside "enum" or "const" is not supported`)
    const { enum: list = [schema['const']] } = schema
    if (!Array.isArray(list)) fail('"enum" is not a list')
    const types = schema['type'] === undefined ? null : [schema['type']].flat()
    const found = (list as unknown[]).filter(
      (value) =>
        (types === null || types.some((type) => isOfType(value, String(type)))) &&
        (schema['const'] === undefined || JSON.stringify(value) === JSON.stringify(schema['const'])),
    )
    if (found.length === 0) fail('"enum" allows nothing')
    return rules.add('value', found.map((value) => literal(JSON.stringify(value))).join(' | '))
  }

  function types(schema: Schema, keys: string[], path: string, depth: number): string {
    let names: string[]
    if (schema['type'] !== undefined) names = [schema['type']].flat().map(String)
    else {
      names = [...new Set(keys.flatMap((key) => typeOfKeyword[key] ?? []))]
      if (names.length === 0) return json.any()
    }
    // An integer is a number.
    if (names.includes('number')) names = names.filter((name) => name !== 'integer')
    if (names.length === 0) fail('"type" allows nothing')
    return either(names.map((name) => ofType(name, schema, path, depth)))
  }

  function ofType(name: string, schema: Schema, path: string, depth: number): string {
    switch (name) {
      case 'null':
        return literal('null')
      case 'boolean':
        return '("true" | "false")'
      case 'integer':
      case 'number':
        return numeric(name, schema)
      case 'string':
        return string(schema)
      case 'array':
        return array(schema, path, depth)
      case 'object':
        return object(schema, path, depth)
      default:
        return fail(`"type": ${JSON.stringify(name)} is no type`)
    }
  }

  function numberOf(schema: Schema, key: string, least = Number.NEGATIVE_INFINITY): number | undefined {
    const value = schema[key]
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isFinite(value) || value < least)
      return fail(`"${key}" is not a number that fits`)
    return value
  }

  /** A pair of counts; `max` null = no bound. */
  function countsOf(schema: Schema, what: string): { min: number; max: number | null } {
    const min = Math.ceil(numberOf(schema, `min${what}`, 0) ?? 0)
    const max = numberOf(schema, `max${what}`, 0)
    if (max !== undefined && max < min) fail(`"max${what}" is below "min${what}"`)
    return { min, max: max === undefined ? null : Math.floor(max) }
  }

  function numeric(name: 'integer' | 'number', schema: Schema): string {
    const bounds = {
      minimum: numberOf(schema, 'minimum'),
      maximum: numberOf(schema, 'maximum'),
      exclusiveMinimum: numberOf(schema, 'exclusiveMinimum'),
      exclusiveMaximum: numberOf(schema, 'exclusiveMaximum'),
    }
    if (Object.values(bounds).every((bound) => bound === undefined)) return json[name]()
    return rules.add(name, name === 'integer' ? boundedIntegers(bounds) : boundedNumbers(bounds))
  }

  function string(schema: Schema): string {
    const { min, max } = countsOf(schema, 'Length')
    const { pattern, format } = schema
    const known = typeof format === 'string' ? formats[format] : undefined
    const expression = pattern ?? known
    if (expression !== undefined) {
      if (typeof expression !== 'string') return fail('"pattern" is not a text')
      if (pattern !== undefined && known !== undefined) fail('"pattern" beside "format" is not supported')
      if (min > 0 || max !== null) fail('"minLength" or "maxLength" beside "pattern" or "format" is not supported')
      return rules.add('pattern', `"\\"" ${regexExpression(parseRegex(expression), true)} "\\""`)
    }
    if (min === 0 && max === null) return json.string()
    const characters = repeated(json.character(), min, max)
    return rules.add('string', `"\\"" ${characters} "\\""`)
  }

  function array(schema: Schema, path: string, depth: number): string {
    const { min, max } = countsOf(schema, 'Items')
    const prefix = schema['prefixItems'] === undefined ? [] : schema['prefixItems']
    if (!Array.isArray(prefix)) return fail('"prefixItems" is not a list')
    const { items } = schema
    if (Array.isArray(items)) fail('"items" as a list is not supported: use "prefixItems"')
    const space = json.space()
    const first = prefix
      .slice(0, max ?? prefix.length)
      .map((item, n) => convert(item, `${path}/prefixItems/${n}`, depth))
    // After a prefix nothing more comes unless the schema says what.
    const isClosed = items === false || (items === undefined && prefix.length > 0)
    const least = Math.max(0, min - first.length)
    if (isClosed && least > 0) fail('"minItems" asks for more items than there may be')
    const most = isClosed ? 0 : max === null ? null : max - first.length
    if (most === 0) {
      if (first.length === 0) return `("[" ${space} "]")`
      return rules.add('array', `"[" ${space} ${first.join(` "," ${space} `)} ${space} "]"`)
    }
    const item = rules.add('item', items === undefined ? json.any() : convert(items, `${path}/items`, depth))
    const more = `"," ${space} ${item}`
    if (first.length > 0)
      return rules.add(
        'array',
        `"[" ${space} ${first.join(` "," ${space} `)} ${repeated(more, least, most)} ${space} "]"`,
      )
    const some = `${item} ${repeated(more, Math.max(0, least - 1), most === null ? null : most - 1)} ${space}`
    return rules.add('array', `"[" ${space} ${least === 0 ? `(${some})?` : some} "]"`)
  }

  function object(schema: Schema, path: string, depth: number): string {
    const properties = schema['properties'] ?? {}
    if (!isSchema(properties)) return fail('"properties" is not an object')
    const required = schema['required'] ?? []
    if (!Array.isArray(required) || required.some((key) => typeof key !== 'string'))
      return fail('"required" is not a list of names')
    const silent = schema['additionalProperties'] === undefined
    const open =
      schema['additionalProperties'] ?? schema['unevaluatedProperties'] ?? Object.keys(properties).length === 0
    const further = checked(open)
    const names = [...new Set([...Object.keys(properties), ...(required as string[])])]
    const entries = names.flatMap((name) => {
      const isRequired = required.includes(name)
      const own = Object.hasOwn(properties, name) ? checked(properties[name]) : silent ? true : further
      if (own === false) return isRequired ? fail(`"required" names "${name}", which is not allowed`) : []
      return [{ name, isRequired, schema: own }]
    })
    const { min, max } = countsOf(schema, 'Properties')
    const count = entries.filter(({ isRequired }) => isRequired).length
    if (min > count) fail('"minProperties" above the number of required properties is not supported')
    // Without optional ones the count is fixed, and an open object may have so many more.
    const spare = max === null ? null : max - count
    if (spare !== null && spare < 0) fail('"maxProperties" is below the number of required properties')
    if (spare !== null && entries.length > count) fail('"maxProperties" beside optional properties is not supported')

    const space = json.space()
    const comma = `"," ${space}`
    const pairs = entries.map(({ name, schema: own }) => {
      const value = convert(own, `${path}/properties/${name}`, depth)
      return rules.add(name, `${literal(JSON.stringify(name))} ":" ${space} ${value}`)
    })
    if (further === false || spare === 0)
      return rules.add('object', `"{" ${space} ${closed(pairs, entries, comma, space)} "}"`)
    if (entries.length === 0 && further === true && spare === null) return json.object()
    const value = rules.add('value', convert(further, `${path}/additionalProperties`, depth))
    const extra = rules.add('extra', `${otherKey(names)} ":" ${space} ${value}`)
    const tail = repeated(`${comma} ${extra}`, 0, spare)
    const alone = `${extra} ${repeated(`${comma} ${extra}`, 0, spare === null ? null : spare - 1)} ${space}`
    return rules.add('object', `"{" ${space} ${closed(pairs, entries, comma, space, tail, alone)} "}"`)
  }

  /** Pairs in order, optional ones left out at will; then `tail`, or `alone` where no pair came before. */
  function closed(
    pairs: string[],
    entries: { isRequired: boolean }[],
    comma: string,
    space: string,
    tail = nothing,
    alone = nothing,
  ): string {
    // Two chains from the last pair to the first: something stands before it already, or nothing does yet.
    let after = rules.add('end', tail === nothing ? space : `${tail} ${space}`)
    let first = alone === nothing ? nothing : `(${alone})?`
    for (let n = pairs.length - 1; n >= 0; n--) {
      const here = `${pairs[n]} ${after}`
      const isRequired = entries[n]!.isRequired
      first = isRequired ? here : rules.add('first', `${here} | ${first}`)
      if (n > 0) after = rules.add('rest', isRequired ? `${comma} ${here}` : `${comma} ${here} | ${after}`)
    }
    return first
  }

  /** A key that is none of `names`: without escapes, so that it can be told. */
  function otherKey(names: readonly string[]): string {
    const any = rules.shared('key', () => `${json.plain}* "\\""`)
    const node = (known: string[][]): string => {
      const heads = [...new Set(known.flatMap((rest) => (rest.length > 0 ? [rest[0]!] : [])))].filter(isPlain)
      const ends = known.some((rest) => rest.length === 0)
      const others = characters(withoutCharacters(heads.map((head) => head.codePointAt(0)!)))
      const options = [
        ...(ends ? [] : ['"\\""']),
        `${others} ${any}`,
        ...heads.map((head) => {
          const rest = known.filter((name) => name[0] === head).map((name) => name.slice(1))
          return `${literal(head)} ${node(rest)}`
        }),
      ]
      return rules.add('key', options.join(' | '))
    }
    return `"\\"" ${names.length === 0 ? any : node(names.map((name) => Array.from(name)))}`
  }

  return convert(root, '#', 0)
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isSchema(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

const isPlain = (c: string): boolean => c >= ' ' && c !== '"' && c !== '\\'

/** The characters that a key may have as they are, but these. */
function withoutCharacters(codes: readonly number[]): [number, number][] {
  const out: [number, number][] = []
  let next = 0x20
  for (const code of [...new Set([...codes, 0x22, 0x5c])].sort((a, b) => a - b)) {
    if (code > next) out.push([next, code - 1])
    next = code + 1
  }
  return [...out, [next, 0xd7ff], [0xe000, 0x10ffff]]
}
