/**
 * config.json as a set of typed readings. Published checkpoints name the same fact in several ways (and
 * transformers 5 writes other keys than 4), so every reading takes a list of names, tried in order.
 */
import { LanyardError } from '../../contract/errors.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** Typed access to one config.json. A key that is null counts as absent. */
export interface Config {
  readonly raw: JsonObject
  has(key: string): boolean
  /** a finite number; without a fallback a missing key is an error */
  number(keys: string | string[], fallback?: number): number
  /** a whole number ≥ 1 */
  count(keys: string | string[], fallback?: number): number
  boolean(keys: string | string[], fallback: boolean): boolean
  string(keys: string | string[], fallback: string): string
  list(key: string): Json[] | null
  object(key: string): JsonObject | null
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(message: string): LanyardError {
  return new LanyardError(
    'model_config_mismatch',
    message,
    'Check that config.json belongs to this checkpoint and is complete.',
  )
}

export function configOf(raw: unknown): Config {
  if (!isObject(raw)) throw unreadable('config.json does not hold a JSON object.')
  const find = (keys: string | string[]): [string, Json] | null => {
    for (const key of Array.isArray(keys) ? keys : [keys]) {
      const value = raw[key]
      if (value !== undefined && value !== null) return [key, value]
    }
    return null
  }
  const missing = (keys: string | string[]) =>
    unreadable(`config.json has no ${Array.isArray(keys) ? keys.join(' or ') : keys}, which this architecture needs.`)
  const number = (keys: string | string[], fallback?: number): number => {
    const found = find(keys)
    if (!found) {
      if (fallback === undefined) throw missing(keys)
      return fallback
    }
    if (typeof found[1] !== 'number' || !Number.isFinite(found[1]))
      throw unreadable(`config.json: ${found[0]} is not a number.`)
    return found[1]
  }
  return {
    raw,
    number,
    has: (key) => find(key) !== null,
    count(keys, fallback) {
      const value = number(keys, fallback)
      if (!Number.isSafeInteger(value) || value < 1) {
        throw unreadable(
          `config.json: ${find(keys)?.[0] ?? String(keys)} is ${value}, but must be a whole number above 0.`,
        )
      }
      return value
    },
    boolean(keys, fallback) {
      const found = find(keys)
      if (!found) return fallback
      if (typeof found[1] !== 'boolean') throw unreadable(`config.json: ${found[0]} is not true or false.`)
      return found[1]
    },
    string(keys, fallback) {
      const found = find(keys)
      if (!found) return fallback
      if (typeof found[1] !== 'string') throw unreadable(`config.json: ${found[0]} is not a string.`)
      return found[1]
    },
    list: (key) => {
      const value = raw[key]
      return Array.isArray(value) ? value : null
    },
    object: (key) => {
      const value = raw[key]
      return isObject(value) ? value : null
    },
  }
}
