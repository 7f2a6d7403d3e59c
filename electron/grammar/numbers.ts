/** Numbers within bounds, digit by digit. Decimal strings and BigInt throughout: no rounding. */
import { characters, either, FormatError, literal, nothing } from './ebnf.ts'

const digits = (count: number): string => (count === 0 ? '' : count === 1 ? ' [0-9]' : ` [0-9]{${count}}`)
const between = (low: string, high: string): string =>
  low === high ? literal(low) : characters([[low.charCodeAt(0), high.charCodeAt(0)]])

/** All digit strings of the length of `low` and `high` from one to the other. */
function sameLength(low: string, high: string): string[] {
  if (low === high) return [literal(low)]
  let same = 0
  while (low[same] === high[same]) same++
  const prefix = same > 0 ? `${literal(low.slice(0, same))} ` : ''
  const [a, b] = [low.slice(same), high.slice(same)]
  const rest = a.length - 1
  if (rest === 0) return [prefix + between(a, b)]
  const parts: string[] = []
  const allZeros = /^.0*$/.test(a)
  const allNines = /^.9*$/.test(b)
  const from = allZeros ? a[0]! : String(Number(a[0]) + 1)
  const to = allNines ? b[0]! : String(Number(b[0]) - 1)
  if (!allZeros) {
    for (const tail of sameLength(a.slice(1), '9'.repeat(rest))) parts.push(`${literal(a[0]!)} ${tail}`)
  }
  if (from <= to) parts.push(between(from, to) + digits(rest))
  if (!allNines) {
    for (const tail of sameLength('0'.repeat(rest), b.slice(1))) parts.push(`${literal(b[0]!)} ${tail}`)
  }
  return parts.map((part) => prefix + part)
}

/** Most digits of a whole number without bounds: what a double holds exactly. */
const mostDigits = 15

/** Whole numbers ≥ 0; `high` null = up to `mostDigits` more digits than any bound asks for. */
function naturals(low: bigint, high: bigint | null): string[] {
  const top = high ?? 10n ** BigInt(Math.max(mostDigits, low.toString().length + 1)) - 1n
  const parts: string[] = []
  for (let from = low; from <= top;) {
    const length = from.toString().length
    const end = 10n ** BigInt(length) - 1n
    const to = end < top ? end : top
    parts.push(...sameLength(from.toString(), to.toString()))
    from = to + 1n
  }
  return parts
}

/** Whole numbers from `low` to `high`, both in; null = no bound. */
export function integers(low: bigint | null, high: bigint | null): string {
  if (low !== null && high !== null && low > high) throw new FormatError('no number lies between minimum and maximum')
  const options: string[] = []
  if (low === null || low < 0n) {
    const nearest = high === null || high >= 0n ? 1n : -high
    options.push(...naturals(nearest, low === null ? null : -low).map((part) => `"-" ${part}`))
  }
  if (high === null || high >= 0n) options.push(...naturals(low === null || low < 0n ? 0n : low, high))
  return either(options)
}

interface Decimal {
  /** value · 10^scale */
  units: bigint
  scale: number
}

function decimalOf(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = value.toString().toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const scale = fraction.length - Number(exponent)
  const units = BigInt(whole + fraction)
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 }
}

const floorDiv = (a: bigint, b: bigint): bigint => (a % b !== 0n && a < 0n !== b < 0n ? a / b - 1n : a / b)
const ceilDiv = (a: bigint, b: bigint): bigint => -floorDiv(-a, b)

export interface Bounds {
  minimum?: number | undefined
  maximum?: number | undefined
  exclusiveMinimum?: number | undefined
  exclusiveMaximum?: number | undefined
}

/** The bounds as whole multiples of 10^−scale, both in. */
function unitsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Bounds, scale: number) {
  const unit = 10n ** BigInt(scale)
  const at = (value: number, round: (a: bigint, b: bigint) => bigint): bigint => {
    const { units, scale: own } = decimalOf(value)
    return round(units * unit, 10n ** BigInt(own))
  }
  const lows = [
    minimum === undefined ? null : at(minimum, ceilDiv),
    exclusiveMinimum === undefined ? null : at(exclusiveMinimum, floorDiv) + 1n,
  ].filter((low) => low !== null)
  const highs = [
    maximum === undefined ? null : at(maximum, floorDiv),
    exclusiveMaximum === undefined ? null : at(exclusiveMaximum, ceilDiv) - 1n,
  ].filter((high) => high !== null)
  return {
    low: lows.length === 0 ? null : lows.reduce((a, b) => (a > b ? a : b)),
    high: highs.length === 0 ? null : highs.reduce((a, b) => (a < b ? a : b)),
  }
}

export function boundedIntegers(bounds: Bounds): string {
  const { low, high } = unitsOf(bounds, 0)
  return integers(low, high)
}

/** Decimals ≥ 0 between two numbers of units: whole ones, and fractions of up to `scale` digits at the borders. */
function decimals(low: bigint, high: bigint | null, scale: number): string[] {
  const unit = 10n ** BigInt(scale)
  const options: string[] = []
  // Whole numbers in between carry any fraction, as long as the next whole number is within the bounds too.
  const first = ceilDiv(low, unit)
  const last = high === null ? null : high / unit - 1n
  if (last === null || first <= last) {
    options.push(`${either(naturals(first, last))} ("." [0-9]{1,16})?`)
  }
  const border = (whole: bigint, from: bigint, to: bigint): void => {
    if (from > to) return
    const tails: string[] = from === 0n ? [nothing] : []
    for (let count = 1; count <= scale; count++) {
      const step = 10n ** BigInt(scale - count)
      const [low, high] = [ceilDiv(from, step), to / step]
      if (low > high) continue
      const pad = (value: bigint): string => value.toString().padStart(count, '0')
      tails.push(...sameLength(pad(low), pad(high)).map((tail) => `"." ${tail}`))
    }
    options.push(`${literal(whole.toString())} ${either(tails)}`)
  }
  const lowWhole = low / unit
  const highWhole = high === null ? null : high / unit
  if (lowWhole === highWhole) border(lowWhole, low % unit, high! % unit)
  else {
    if (low % unit !== 0n) border(lowWhole, low % unit, unit - 1n)
    if (high !== null) border(highWhole!, 0n, high % unit)
  }
  return options
}

/** Numbers within bounds, written without an exponent. */
export function boundedNumbers(bounds: Bounds): string {
  const given = [bounds.minimum, bounds.maximum, bounds.exclusiveMinimum, bounds.exclusiveMaximum]
  const scale = Math.max(2, ...given.filter((value) => value !== undefined).map((value) => decimalOf(value).scale + 1))
  if (scale > 40) throw new FormatError('a bound has too many decimal places')
  const { low, high } = unitsOf(bounds, scale)
  if (low !== null && high !== null && low > high) throw new FormatError('no number lies between minimum and maximum')
  const options: string[] = []
  if (low === null || low < 0n) {
    const nearest = high === null || high >= 0n ? 1n : -high
    options.push(...decimals(nearest, low === null ? null : -low, scale).map((part) => `"-" ${part}`))
  }
  if (high === null || high >= 0n) options.push(...decimals(low === null || low < 0n ? 0n : low, high, scale))
  return either(options)
}
