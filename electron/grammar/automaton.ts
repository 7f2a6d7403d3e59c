/**
 * A grammar as a machine over bytes: states with edges that read a byte, that read nothing, or that go through a rule
 * and come back. Characters become their UTF-8 bytes, so a token may end inside one.
 */
import { FormatError } from './ebnf.ts'
import type { Range } from './ebnf.ts'
import type { Expression, Grammar } from './parse.ts'

export interface State {
  /** byte from, byte to, next state; three numbers an edge */
  reads: number[]
  free: number[]
  /** rule, state to come back to */
  calls: [rule: number, back: number][]
}

export interface Automaton {
  states: State[]
  /** first and last state of each rule; the first rule is the start */
  rules: { first: number; last: number }[]
}

const mostStates = 400_000

/** UTF-8 encodings of a range of code points, as sequences of byte ranges. */
export function byteRanges(first: number, last: number): Range[][] {
  const out: Range[][] = []
  const limits = [0x7f, 0x7ff, 0xffff, 0x10ffff]
  let from = first
  for (const limit of limits) {
    if (from > last) break
    if (from > limit) continue
    split(Math.min(last, limit), from, out)
    from = limit + 1
  }
  return out
}

const encode = (code: number): number[] => {
  if (code < 0x80) return [code]
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)]
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
}

/** `from` and `to` have encodings of one length. */
function split(to: number, from: number, out: Range[][]): void {
  for (const bits of [6, 12, 18]) {
    const mask = (1 << bits) - 1
    if (from >> bits === to >> bits || to < 0x80) continue
    if ((from & mask) !== 0) {
      split(from | mask, from, out)
      split(to, (from | mask) + 1, out)
      return
    }
    if ((to & mask) !== mask) {
      split((to & ~mask) - 1, from, out)
      split(to, to & ~mask, out)
      return
    }
  }
  const [low, high] = [encode(from), encode(to)]
  out.push(low.map((byte, n): Range => [byte, high[n]!]))
}

/** Throws FormatError for a grammar that is too large, or with a rule that begins with itself. */
export function automatonOf(grammar: Grammar): Automaton {
  const names = ['root', ...[...grammar.keys()].filter((name) => name !== 'root')]
  const indexOf = new Map(names.map((name, n) => [name, n]))
  const states: State[] = []
  const encoder = new TextEncoder()

  const make = (): number => {
    if (states.length >= mostStates) throw new FormatError('the format is too large: smaller counts make it smaller')
    return states.push({ reads: [], free: [], calls: [] }) - 1
  }
  const rules = names.map(() => ({ first: make(), last: make() }))

  /** Ways from `from` to `to`. */
  function build(expression: Expression, from: number, to: number): void {
    switch (expression.kind) {
      case 'text': {
        const bytes = encoder.encode(expression.text)
        if (bytes.length === 0) return void states[from]!.free.push(to)
        let here = from
        for (const [n, byte] of bytes.entries()) {
          const next = n + 1 === bytes.length ? to : make()
          states[here]!.reads.push(byte, byte, next)
          here = next
        }
        return
      }
      case 'set':
        return set(expression.ranges, from, to)
      case 'rule':
        return void states[from]!.calls.push([indexOf.get(expression.name)!, to])
      case 'sequence': {
        if (expression.parts.length === 0) return void states[from]!.free.push(to)
        let here = from
        for (const [n, part] of expression.parts.entries()) {
          const next = n + 1 === expression.parts.length ? to : make()
          build(part, here, next)
          here = next
        }
        return
      }
      case 'either':
        for (const option of expression.options) build(option, from, to)
        return
      case 'repeat':
        return repeat(expression, from, to)
    }
  }

  /** Encodings that go on alike share their states, from the back. */
  function set(ranges: readonly Range[], from: number, to: number): void {
    const tails = new Map<string, number>()
    for (const sequence of ranges.flatMap(([first, last]) => byteRanges(first, last))) {
      let next = to
      for (let n = sequence.length - 1; n > 0; n--) {
        const [low, high] = sequence[n]!
        const key = `${low} ${high} ${next}`
        let state = tails.get(key)
        if (state === undefined) {
          state = make()
          states[state]!.reads.push(low, high, next)
          tails.set(key, state)
        }
        next = state
      }
      states[from]!.reads.push(sequence[0]![0], sequence[0]![1], next)
    }
  }

  function repeat({ of, min, max }: Extract<Expression, { kind: 'repeat' }>, from: number, to: number): void {
    let here = from
    for (let n = 0; n < min; n++) {
      const next = make()
      build(of, here, next)
      here = next
    }
    if (max === null) {
      // A state of its own: what comes before must not be able to enter the loop from inside.
      const loop = make()
      states[here]!.free.push(loop)
      build(of, loop, loop)
      states[loop]!.free.push(to)
      return
    }
    for (let n = min; n < max; n++) {
      states[here]!.free.push(to)
      const next = make()
      build(of, here, next)
      here = next
    }
    states[here]!.free.push(to)
  }

  for (const [n, name] of names.entries()) build(grammar.get(name)!, rules[n]!.first, rules[n]!.last)
  const automaton = { states, rules }
  refuseLeftRecursion(automaton, names)
  return automaton
}

/** Which rules can read nothing at all. */
function emptyRules({ states, rules }: Automaton): boolean[] {
  const empty = rules.map(() => false)
  for (let changed = true; changed;) {
    changed = false
    for (const [n, { first, last }] of rules.entries()) {
      if (empty[n]) continue
      const seen = new Set([first])
      for (const state of seen) {
        for (const next of states[state]!.free) seen.add(next)
        for (const [rule, back] of states[state]!.calls) if (empty[rule]) seen.add(back)
      }
      if (seen.has(last)) changed = empty[n] = true
    }
  }
  return empty
}

/** A rule that can reach itself without reading a byte would be gone through for ever. */
function refuseLeftRecursion(automaton: Automaton, names: string[]): void {
  const { states, rules } = automaton
  const empty = emptyRules(automaton)
  const begins = rules.map(({ first }) => {
    const seen = new Set([first])
    const called = new Set<number>()
    for (const state of seen) {
      for (const next of states[state]!.free) seen.add(next)
      for (const [rule, back] of states[state]!.calls) {
        called.add(rule)
        if (empty[rule]) seen.add(back)
      }
    }
    return called
  })
  for (const [n] of rules.entries()) {
    const seen = new Set(begins[n])
    for (const rule of seen) for (const next of begins[rule]!) seen.add(next)
    if (seen.has(n)) throw new FormatError(`the rule "${names[n]}" begins with itself, which is not supported`)
  }
}
