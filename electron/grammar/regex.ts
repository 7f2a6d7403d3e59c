/**
 * Regular expressions as grammars. The whole text must match. What no grammar of this kind can say (look-around, back
 * references, word borders, flags) is refused with its place; lazy quantifiers allow the same texts as greedy ones.
 */
import { characters, either, FormatError, literal, nothing, repeated } from './ebnf.ts'
import type { Range } from './ebnf.ts'

export type Regex =
  | { kind: 'set'; ranges: Range[] }
  | { kind: 'sequence'; parts: Regex[] }
  | { kind: 'either'; options: Regex[] }
  | { kind: 'repeat'; of: Regex; min: number; max: number | null }

const last = 0x10ffff
const mostRepeats = 2000

function normal(ranges: readonly Range[]): Range[] {
  const out: [number, number][] = []
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = out.at(-1)
    if (before && from <= before[1] + 1) before[1] = Math.max(before[1], to)
    else out.push([from, to])
  }
  return out
}

/** All characters but these and the surrogates, which are no characters. */
export function complement(ranges: readonly Range[]): Range[] {
  const out: Range[] = []
  let next = 0
  for (const [from, to] of normal([...ranges, [0xd800, 0xdfff]])) {
    if (from > next) out.push([next, from - 1])
    next = to + 1
  }
  if (next <= last) out.push([next, last])
  return out
}

const digit: Range[] = [[48, 57]]
const wordCharacter: Range[] = normal([...digit, [65, 90], [97, 122], [95, 95]])
const space: Range[] = normal([
  [9, 13],
  [32, 32],
  [0xa0, 0xa0],
  [0x2028, 0x2029],
  [0xfeff, 0xfeff],
])
const newline: Range[] = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
]
const classes: Record<string, Range[]> = {
  d: digit,
  D: complement(digit),
  w: wordCharacter,
  W: complement(wordCharacter),
  s: space,
  S: complement(space),
}
const controls: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, 0: 0 }

/** Throws FormatError with the place of what it does not take. */
export function parseRegex(source: string): Regex {
  const text = Array.from(source)
  let at = 0
  const fail = (what: string): never => {
    throw new FormatError(`${what} at character ${at + 1} of the pattern ${JSON.stringify(source)}`)
  }

  function alternatives(depth: number): Regex {
    if (depth > 100) fail('too deep a nest')
    const options = [sequence(depth)]
    while (text[at] === '|') {
      at++
      options.push(sequence(depth))
    }
    return options.length === 1 ? options[0]! : { kind: 'either', options }
  }

  function sequence(depth: number): Regex {
    const parts: Regex[] = []
    // The whole text has to match anyway: borders at its ends say nothing new.
    if (depth === 0) while (text[at] === '^') at++
    while (at < text.length && text[at] !== '|' && text[at] !== ')') {
      if (depth === 0 && text[at] === '$' && (at + 1 === text.length || text[at + 1] === '|')) {
        at++
        break
      }
      parts.push(quantified(depth))
    }
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  function quantified(depth: number): Regex {
    let node = atom(depth)
    for (;;) {
      const bounds = quantifier()
      if (!bounds) return node
      if (text[at] === '?') at++
      else if (text[at] === '+') fail('a possessive quantifier')
      node = { kind: 'repeat', of: node, ...bounds }
    }
  }

  function quantifier(): { min: number; max: number | null } | null {
    const c = text[at]
    if (c === '*' || c === '+' || c === '?') {
      at++
      return { min: c === '+' ? 1 : 0, max: c === '?' ? 1 : null }
    }
    if (c !== '{') return null
    const found = /^\{(\d+)(,(\d*))?\}/.exec(text.slice(at, at + 24).join(''))
    if (!found) return null
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? null : Number(found[3])
    if (max !== null && max < min) fail('a count whose upper bound is below its lower one')
    if (Math.max(min, max ?? 0) > mostRepeats) fail(`a count above ${mostRepeats}`)
    at += found[0].length
    return { min, max }
  }

  function atom(depth: number): Regex {
    const c = text[at++]!
    switch (c) {
      case '(': {
        if (text[at] === '?') {
          const head = /^\?(:|<[A-Za-z_]\w*>|P<[A-Za-z_]\w*>)/.exec(text.slice(at, at + 80).join(''))
          if (!head) fail('a group of a kind that is not supported (look-around, flags)')
          at += head![0].length
        }
        const inner = alternatives(depth + 1)
        if (text[at] !== ')') fail('a group that is not closed')
        at++
        return inner
      }
      case '[':
        return set()
      case '.':
        return { kind: 'set', ranges: complement(newline) }
      case '\\':
        return { kind: 'set', ranges: escape(false) }
      case '^':
      case '$':
        at--
        return fail('a border inside the pattern')
      case '*':
      case '+':
      case '?':
        at--
        return fail('nothing to repeat')
      default:
        return { kind: 'set', ranges: one(c) }
    }
  }

  const one = (c: string): Range[] => [[c.codePointAt(0)!, c.codePointAt(0)!]]

  function escape(inSet: boolean): Range[] {
    const c = text[at++]
    if (c === undefined) return fail('a lone backslash')
    if (classes[c]) return classes[c]
    if (inSet && c === 'b') return [[8, 8]]
    if (controls[c] !== undefined && !(c === '0' && /\d/.test(text[at] ?? ''))) return [[controls[c], controls[c]]]
    const code = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\})/.exec(
      text.slice(at - 1, at + 9).join(''),
    )
    if (code) {
      at += code[0].length - 1
      const value = Number.parseInt((code[1] ?? code[2] ?? code[3])!, 16)
      if (value > last || (value >= 0xd800 && value <= 0xdfff)) fail('a code that is no character')
      return [[value, value]]
    }
    if (/[A-Za-z0-9]/.test(c)) {
      at--
      fail(`the escape \\${c}, which is not supported,`)
    }
    return one(c)
  }

  function set(): Regex {
    const negated = text[at] === '^'
    if (negated) at++
    const ranges: Range[] = []
    for (let first = true; first || text[at] !== ']'; first = false) {
      if (at >= text.length) fail('a set that is not closed')
      if (text[at] === ']') break
      const low = member()
      if (text[at] !== '-' || text[at + 1] === ']' || text[at + 1] === undefined) {
        ranges.push(...low)
        continue
      }
      at++
      const high = member()
      if (low.length !== 1 || high.length !== 1 || low[0]![0] !== low[0]![1] || high[0]![0] !== high[0]![1]) {
        fail('a range between sets')
      }
      if (low[0]![0] > high[0]![0]) fail('a range out of order')
      ranges.push([low[0]![0], high[0]![0]])
    }
    at++
    const found = negated ? complement(ranges) : normal(ranges)
    if (found.length === 0) fail('an empty set')
    return { kind: 'set', ranges: found }
  }

  function member(): Range[] {
    const c = text[at++]!
    return c === '\\' ? escape(true) : one(c)
  }

  const found = alternatives(0)
  if (at < text.length) fail('a bracket that closes nothing')
  return found
}

/** What a set of characters is inside a JSON string: as it is, or escaped. */
function jsonCharacters(ranges: readonly Range[]): string {
  const plain = complement([...complement(ranges), [0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]])
  const has = (code: number): boolean => ranges.some(([from, to]) => from <= code && code <= to)
  const escapes = [
    [0x22, '"'],
    [0x5c, '\\'],
    [10, 'n'],
    [9, 't'],
    [13, 'r'],
    [8, 'b'],
    [12, 'f'],
  ] as const
  const options = plain.length > 0 ? [characters(plain)] : []
  for (const [code, letter] of escapes) if (has(code)) options.push(literal(`\\${letter}`))
  // Of wide sets ([^a], \W) the other control characters are left out: nobody asks for them.
  const isWide = ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0) > 256
  if (!isWide) {
    for (let code = 0; code < 0x20; code++) {
      if (has(code) && !escapes.some(([known]) => known === code))
        options.push(literal(`\\u${code.toString(16).padStart(4, '0')}`))
    }
  }
  if (options.length === 0) throw new FormatError('a pattern matches no text that can be written')
  return either(options)
}

/** The grammar expression; `inJson`: of the text inside a JSON string. */
export function regexExpression(node: Regex, inJson: boolean): string {
  switch (node.kind) {
    case 'set':
      return inJson ? jsonCharacters(node.ranges) : characters(node.ranges)
    case 'sequence':
      return node.parts.length === 0
        ? nothing
        : `(${node.parts.map((part) => regexExpression(part, inJson)).join(' ')})`
    case 'either':
      return either(node.options.map((option) => regexExpression(option, inJson)))
    case 'repeat':
      return repeated(regexExpression(node.of, inJson), node.min, node.max)
  }
}
