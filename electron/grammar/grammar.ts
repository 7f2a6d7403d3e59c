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

/** One of these texts. */
export function choiceGrammar(choices: readonly string[]): string {
  if (choices.length === 0) throw new FormatError('there is nothing to choose from')
  return made(() => choices.map(literal).join(' | '))
}
