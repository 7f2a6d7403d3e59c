/**
 * Grammars as text. One rule after the other, `name ::= body`; a body is made of "texts", [character sets], names,
 * (groups), `|`, and `* + ? {m} {m,} {m,n}`; # begins a comment. The start is the rule `root`.
 */
import { FormatError } from './ebnf.ts'
import type { Range } from './ebnf.ts'
import { complement } from './regex.ts'

export type Expression =
  | { kind: 'text'; text: string }
  | { kind: 'set'; ranges: readonly Range[] }
  | { kind: 'rule'; name: string }
  | { kind: 'sequence'; parts: Expression[] }
  | { kind: 'either'; options: Expression[] }
  | { kind: 'repeat'; of: Expression; min: number; max: number | null }

export type Grammar = ReadonlyMap<string, Expression>

const mostRepeats = 5000
const nameStart = /[A-Za-z_]/
const namePart = /[A-Za-z0-9_.-]/
const controls: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, b: 8, 0: 0 }

/** Throws FormatError with line and column. */
export function parseGrammar(source: string): Grammar {
  const text = Array.from(source)
  const rules = new Map<string, Expression>()
  const named: { name: string; at: number }[] = []
  let at = 0

  const fail = (what: string, place = at): never => {
    const before = text.slice(0, place).join('').split('\n')
    throw new FormatError(
      `${what}, line ${before.length}, column ${Array.from(before.at(-1)!).length + 1} of the grammar`,
    )
  }

  /** White space and comments; line ends too where the body may go on. */
  function skip(): void {
    for (;;) {
      if (text[at] === '#') while (at < text.length && text[at] !== '\n') at++
      else if (/\s/.test(text[at] ?? 'x')) at++
      else return
    }
  }

  function name(): string {
    const start = at
    if (!nameStart.test(text[at] ?? '')) fail('a rule name is missing')
    while (namePart.test(text[at] ?? '')) at++
    return text.slice(start, at).join('')
  }

  /** Whether a rule begins here: a name and `::=`. */
  function atRule(): boolean {
    return /^[A-Za-z_][A-Za-z0-9_.-]*\s*::=/.test(text.slice(at, at + 200).join(''))
  }

  function alternatives(depth: number): Expression {
    if (depth > 200) fail('too deep a nest')
    const options = [sequence(depth)]
    for (skip(); text[at] === '|'; skip()) {
      at++
      options.push(sequence(depth))
    }
    return options.length === 1 ? options[0]! : { kind: 'either', options }
  }

  function sequence(depth: number): Expression {
    const parts: Expression[] = []
    for (skip(); at < text.length && text[at] !== '|' && text[at] !== ')' && !atRule(); skip())
      parts.push(repeated(depth))
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  function repeated(depth: number): Expression {
    let of = element(depth)
    for (;;) {
      const c = text[at]
      if (c === '*' || c === '+' || c === '?') {
        at++
        of = { kind: 'repeat', of, min: c === '+' ? 1 : 0, max: c === '?' ? 1 : null }
        continue
      }
      if (c !== '{') return of
      const found = /^\{\s*(\d+)\s*(,\s*(\d*)\s*)?\}/.exec(text.slice(at, at + 40).join(''))
      if (!found) return fail('a count is not {m}, {m,} or {m,n}')
      const min = Number(found[1])
      const max = found[2] === undefined ? min : found[3] === '' ? null : Number(found[3])
      if (max !== null && max < min) fail('a count has its upper bound below its lower one')
      if (Math.max(min, max ?? 0) > mostRepeats) fail(`a count is above ${mostRepeats}`)
      at += found[0].length
      of = { kind: 'repeat', of, min, max }
    }
  }

  function element(depth: number): Expression {
    const c = text[at]!
    if (c === '"') return quoted()
    if (c === '[') return set()
    if (c === '(') {
      const start = at++
      const inner = alternatives(depth + 1)
      skip()
      if (text[at] !== ')') fail('a group is not closed', start)
      at++
      return inner
    }
    if (c === '.') {
      at++
      return { kind: 'set', ranges: complement([[10, 10]]) }
    }
    if (!nameStart.test(c)) fail(`${JSON.stringify(c)} is not expected here`)
    named.push({ name: '', at })
    const found = name()
    named.at(-1)!.name = found
    return { kind: 'rule', name: found }
  }

  /** The character after a backslash. */
  function escaped(): number {
    const code = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(text.slice(at, at + 9).join(''))
    if (code) {
      at += code[0].length
      const value = Number.parseInt((code[1] ?? code[2] ?? code[3])!, 16)
      if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) fail('a code is no character')
      return value
    }
    const c = text[at++]
    if (c === undefined) return fail('a lone backslash')
    return controls[c] ?? c.codePointAt(0)!
  }

  function quoted(): Expression {
    const start = at++
    const codes: number[] = []
    while (text[at] !== '"') {
      if (at >= text.length || text[at] === '\n') fail('a text is not closed', start)
      const c = text[at++]!
      codes.push(c === '\\' ? escaped() : c.codePointAt(0)!)
    }
    at++
    return { kind: 'text', text: codes.map((code) => String.fromCodePoint(code)).join('') }
  }

  function set(): Expression {
    const start = at++
    const negated = text[at] === '^'
    if (negated) at++
    const ranges: Range[] = []
    const member = (): number => {
      if (at >= text.length || text[at] === '\n') fail('a set is not closed', start)
      const c = text[at++]!
      return c === '\\' ? escaped() : c.codePointAt(0)!
    }
    while (text[at] !== ']') {
      const first = member()
      if (text[at] !== '-' || text[at + 1] === ']') {
        ranges.push([first, first])
        continue
      }
      at++
      const last = member()
      if (last < first) fail('a range is out of order')
      ranges.push([first, last])
    }
    at++
    const found = negated ? complement(ranges) : complement(complement(ranges))
    if (found.length === 0) fail('a set is empty', start)
    return { kind: 'set', ranges: found }
  }

  for (skip(); at < text.length; skip()) {
    const start = at
    const rule = name()
    if (rules.has(rule)) fail(`the rule "${rule}" is there twice`, start)
    skip()
    if (text.slice(at, at + 3).join('') !== '::=') fail('::= is missing')
    at += 3
    rules.set(rule, alternatives(0))
    skip()
    if (at < text.length && !atRule()) fail(`${JSON.stringify(text[at])} is not expected here`)
  }
  if (!rules.has('root')) throw new FormatError('the grammar has no rule "root"')
  for (const { name: used, at: place } of named) if (!rules.has(used)) fail(`there is no rule "${used}"`, place)
  return rules
}
