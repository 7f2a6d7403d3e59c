/** Output formats that a request may ask for, as grammars in EBNF. Pure; everything throws FormatError. */
import { automatonOf } from './automaton.ts'
import { createRules, FormatError, literal } from './ebnf.ts'
import type { Rules } from './ebnf.ts'
import { schemaExpression } from './json-schema.ts'
import { parseGrammar } from './parse.ts'
import { parseRegex, regexExpression } from './regex.ts'

export { FormatError } from './ebnf.ts'

/** It is sent with every request. */
const mostText = 1_000_000

function made(body: (rules: Rules) => string): string {
  const rules = createRules()
  const text = rules.text(body(rules))
  if (text.length > mostText) throw new FormatError('the format is too large')
  return text
}

/** Texts that are JSON and valid by a JSON Schema (an object, or true for any JSON). */
export function schemaGrammar(schema: unknown): string {
  return made((rules) => schemaExpression(schema, rules))
}

/** A grammar that is one already, if it is. */
export function textGrammar(ebnf: string): string {
  if (ebnf.length > mostText) throw new FormatError('the grammar is too large')
  automatonOf(parseGrammar(ebnf))
  return ebnf
}

/** Texts that match as a whole. */
export function regexGrammar(pattern: string): string {
  return made(() => regexExpression(parseRegex(pattern), false))
}

export interface Callable {
  name: string
  /** JSON Schema of the arguments; absent: there are none */
  parameters?: unknown
}

/** How calls are written: what stands around them all and around each, and the name of the member with the arguments. */
const callForms = {
  hermes: { all: ['', ''], each: ['<tool_call>\n', '\n</tool_call>'], between: '\n', member: 'arguments' },
  llama: { all: ['', ''], each: ['', ''], between: '; ', member: 'parameters' },
  mistral: { all: ['[', ']'], each: ['', ''], between: ', ', member: 'arguments' },
} as const

/** One call of one of these functions, or several, in a model's own way of writing them (models/call-style.ts). */
export function callsGrammar(style: keyof typeof callForms, functions: readonly Callable[], many: boolean): string {
  const { all, each, between, member } = callForms[style]
  return made((rules) => {
    const calls = functions.map(({ name, parameters = { type: 'object', additionalProperties: false } }) => {
      const head = literal(`${each[0]}{"name": ${JSON.stringify(name)}, "${member}": `)
      return rules.add('call', `${head} ${schemaExpression(parameters, rules)} ${literal(`}${each[1]}`)}`)
    })
    const one = rules.add('calls', calls.join(' | '))
    const more = many ? `(${literal(between)} ${one})*` : '""'
    return `${literal(all[0])} ${one} ${more} ${literal(all[1])}`
  })
}

/** One of these texts. */
export function choiceGrammar(choices: readonly string[]): string {
  if (choices.length === 0) throw new FormatError('there is nothing to choose from')
  return made(() => choices.map(literal).join(' | '))
}
