/** Writing grammars as text, in the form that `parse.ts` reads. */

/** Something a grammar cannot say: what, and where in what was given. */
export class FormatError extends Error {
  override readonly name = 'FormatError'
}

const hex = (code: number): string =>
  code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`

const safe = /^[A-Za-z0-9 _.,:;!?@#$%&*+=<>/|~`'(){}[\]^-]$/

/** A text as it stands. */
export function literal(text: string): string {
  return `"${Array.from(text, (c) => (safe.test(c) ? c : hex(c.codePointAt(0)!))).join('')}"`
}

export type Range = readonly [first: number, last: number]

const bound = (code: number): string => {
  const c = String.fromCodePoint(code)
  return /^[A-Za-z0-9]$/.test(c) ? c : hex(code)
}

/** One character of these ranges of code points. */
export function characters(ranges: readonly Range[]): string {
  return `[${ranges.map(([first, last]) => (first === last ? bound(first) : `${bound(first)}-${bound(last)}`)).join('')}]`
}

export function either(options: readonly string[]): string {
  return options.length === 1 ? options[0]! : `(${options.join(' | ')})`
}

export const nothing = '""'

/** `max` null = any number. */
export function repeated(expression: string, min: number, max: number | null): string {
  if (max === 0) return nothing
  if (min === 1 && max === 1) return expression
  const unit = `(${expression})`
  if (max === null) return min === 0 ? `${unit}*` : min === 1 ? `${unit}+` : `${unit}{${min},}`
  return min === 0 && max === 1 ? `${unit}?` : `${unit}{${min},${max}}`
}

export interface Rules {
  /** a new rule; `hint` is for people who read the grammar */
  add(hint: string, body: string): string
  /** a rule made once however often it is asked for */
  shared(name: string, body: () => string): string
  /** a name first, its body later: for rules that lead back to themselves */
  open(hint: string): { name: string; close(body: string): void }
  /** the whole grammar for the start expression */
  text(start: string): string
}

export function createRules(): Rules {
  const bodies = new Map<string, string>()
  let next = 0
  const fresh = (hint: string): string => `${hint.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 24) || 'r'}_${next++}`
  return {
    add(hint, body) {
      const name = fresh(hint)
      bodies.set(name, body)
      return name
    },
    shared(name, body) {
      if (!bodies.has(name)) {
        bodies.set(name, '')
        bodies.set(name, body())
      }
      return name
    },
    open(hint) {
      const name = fresh(hint)
      bodies.set(name, '')
      return { name, close: (body) => void bodies.set(name, body) }
    },
    text: (start) =>
      [['root', start] as const, ...bodies].map(([name, body]) => `${name} ::= ${body}`).join('\n') + '\n',
  }
}
