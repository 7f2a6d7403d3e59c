/** Two JSON Schemas that must both hold, as one, where one can say it. */
import { FormatError } from './ebnf.ts'

export type Schema = Record<string, unknown>
export type AnySchema = Schema | boolean

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Keywords that only describe. */
export const annotations = new Set([
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$comment',
  '$schema',
  '$id',
  '$anchor',
  '$defs',
  'definitions',
  'discriminator',
  'contentEncoding',
  'contentMediaType',
  'strict',
  'name',
])

const typesOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [String(value)])

function bothTypes(a: unknown, b: unknown): string[] {
  const [left, right] = [typesOf(a), typesOf(b)]
  const fits = (type: string, list: string[]): boolean =>
    list.includes(type) || (type === 'integer' && list.includes('number'))
  return [...new Set([...left.filter((type) => fits(type, right)), ...right.filter((type) => fits(type, left))])]
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** What a schema says of a property: its own entry, or what holds for further ones. */
function propertyOf(schema: Schema, key: string): AnySchema {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {}
  const found = Object.hasOwn(properties, key) ? properties[key] : (schema['additionalProperties'] ?? true)
  return isSchema(found) || typeof found === 'boolean' ? found : true
}

function bothProperties(a: Schema, b: Schema): Schema {
  const keys = [a, b].flatMap((schema) => (isSchema(schema['properties']) ? Object.keys(schema['properties']) : []))
  return Object.fromEntries(
    [...new Set(keys)].flatMap((key) => {
      const both = merged(propertyOf(a, key), propertyOf(b, key))
      return both === false ? [] : [[key, both]]
    }),
  )
}

/** Keywords whose merged value is a function of both; the other ones must agree. */
const rules: Record<string, (a: unknown, b: unknown) => unknown> = {
  type: bothTypes,
  required: (a, b) => [...new Set([...asList(a), ...asList(b)])],
  enum: (a, b) => asList(a).filter((value) => asList(b).some((other) => same(value, other))),
  items: (a, b) => merged(a as AnySchema, b as AnySchema),
  additionalProperties: (a, b) => merged(a as AnySchema, b as AnySchema),
}
for (const name of ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties']) {
  rules[name] = (a, b) => Math.max(Number(a), Number(b))
}
for (const name of ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties']) {
  rules[name] = (a, b) => Math.min(Number(a), Number(b))
}

/** Throws FormatError where both cannot be said at once. */
export function merged(a: AnySchema, b: AnySchema): AnySchema {
  if (typeof a === 'boolean') return a && b
  if (typeof b === 'boolean') return b && a
  const out: Schema = { ...a }
  for (const [key, value] of Object.entries(b)) {
    const own = a[key]
    if (key === 'properties') continue
    if (own === undefined || annotations.has(key)) out[key] = value
    else if (rules[key]) out[key] = rules[key](own, value)
    else if (!same(own, value)) throw new FormatError(`two schemas that must hold at once both have "${key}"`)
  }
  if (isSchema(a['properties']) || isSchema(b['properties'])) out['properties'] = bothProperties(a, b)
  return out
}
