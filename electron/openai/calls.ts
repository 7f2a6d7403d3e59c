/** Finding calls of functions in an answer's text while it comes. Pure. */
import type { CallStyle } from '../models/models.ts'

export type CallEvent =
  | { kind: 'text'; text: string }
  | { kind: 'call'; index: number; name: string }
  /** a piece of the call's arguments, which are JSON in text */
  | { kind: 'arguments'; index: number; text: string }

export interface CallReader {
  push(text: string): CallEvent[]
  /** what was held back */
  end(): CallEvent[]
}

export interface CallReaderOptions {
  style: CallStyle
  /** functions that may be called; only these are taken for calls where nothing else marks a call */
  names: ReadonlySet<string>
  /** the mark that begins the calls stands at the end of the prompt already */
  begun: boolean
  /** take the first call only */
  single: boolean
}

const open = '<tool_call>'
const close = '</tool_call>'
export const mistralMark = '[TOOL_CALLS]'

interface ObjectReader {
  /** Takes text up to the object's end; what follows it is `rest`. */
  push(text: string): { name?: string; piece: string; rest: string | null }
  readonly raw: string
}

/** Reads {"name": …, "arguments": {…}} a character at a time. */
function createObjectReader(isName: (name: string) => boolean): ObjectReader {
  let raw = ''
  let depth = 0
  let inString = false
  let escaped = false
  /** the string at depth 1 that is being read, or was read last */
  let word = ''
  let key: string | null = null
  let inArguments = false
  let name: string | null = null
  let told = false
  let held = ''
  let any = false

  return {
    get raw() {
      return raw
    },
    push(text) {
      let piece = ''
      const result = (rest: string | null) => {
        // Arguments that came before the name wait for it.
        const news = name !== null && !told ? { name } : {}
        if (name !== null) told = true
        held += piece
        const out = told ? held : ''
        if (told) held = ''
        return { ...news, piece: out, rest }
      }
      for (let at = 0; at < text.length; at++) {
        const c = text[at]!
        raw += c
        if (inString) {
          if (inArguments) piece += c
          else if (depth === 1) word += c
          if (escaped) escaped = false
          else if (c === '\\') escaped = true
          else if (c === '"') {
            inString = false
            if (depth === 1 && !inArguments && key === 'name') {
              try {
                const found = JSON.parse(`"${word}`) as string
                if (!isName(found)) return result(text.slice(at + 1))
                name = found
              } catch {
                return result(text.slice(at + 1))
              }
            }
          }
          continue
        }
        if (inArguments && depth === 1 && (c === ',' || c === '}')) inArguments = false
        if (c === '"') {
          inString = true
          word = ''
          if (inArguments) {
            piece += c
            any = true
          }
          continue
        }
        if (c === '{' || c === '[') depth++
        if (c === '}' || c === ']') depth--
        if (depth === 0) {
          if (name !== null && !any) piece = '{}'
          return result(text.slice(at + 1))
        }
        if (inArguments) {
          // White space around the value is none of it.
          if (depth > 1 || !/\s/.test(c)) {
            piece += c
            any = true
          }
          continue
        }
        if (depth !== 1) continue
        if (c === ':') {
          key = word.slice(0, -1)
          inArguments = key === 'arguments' || key === 'parameters'
        } else if (c === ',') key = null
      }
      return result(null)
    },
  }
}

/** How many characters at the end of `text` are white space and the beginning of `mark`. */
function heldBack(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length >= 0; length--) {
    if (!text.endsWith(mark.slice(0, length))) continue
    const before = text.slice(0, text.length - length)
    return length + (before.length - before.trimEnd().length)
  }
  return 0
}

export function createCallReader({ style, names, begun, single }: CallReaderOptions): CallReader {
  const mark = style === 'hermes' ? open : style === 'mistral' ? mistralMark : null
  /** text: outside calls; before: a call may begin; object: in one; after: behind one; done: everything is text */
  let state: 'text' | 'before' | 'object' | 'after' | 'done' = begun || mark === null ? 'before' : 'text'
  let buffer = ''
  /** what to give back as text if it turns out to be no call */
  let lead = ''
  let calls = 0
  let object: ObjectReader | null = null
  let isNamed = false

  const text = (out: CallEvent[], given: string): void => {
    if (given !== '') out.push({ kind: 'text', text: given })
  }

  function step(out: CallEvent[]): boolean {
    if (state === 'done') {
      if (!(single && calls > 0)) text(out, buffer)
      buffer = ''
      return false
    }
    if (state === 'text') {
      const at = buffer.indexOf(mark!)
      if (at < 0) {
        const keep = heldBack(buffer, mark!)
        text(out, buffer.slice(0, buffer.length - keep))
        buffer = buffer.slice(buffer.length - keep)
        return false
      }
      const before = buffer.slice(0, at)
      text(out, before.trimEnd())
      lead = before.slice(before.trimEnd().length) + mark!
      buffer = buffer.slice(at + mark!.length)
      state = 'before'
      return true
    }
    if (state === 'before') {
      const skip = /^[\s[]*/.exec(buffer)![0]
      const space = style === 'mistral' ? skip : skip.replace(/\[.*$/s, '')
      if (space.length === buffer.length) return false
      lead += space
      buffer = buffer.slice(space.length)
      if (buffer[0] !== '{') {
        buffer = lead + buffer
        lead = ''
        state = mark === null || begun ? 'done' : 'text'
        if (state === 'text') {
          // Past the mark, or it would be found again.
          text(out, buffer.slice(0, buffer.indexOf(mark!) + mark!.length))
          buffer = buffer.slice(buffer.indexOf(mark!) + mark!.length)
        }
        return true
      }
      isNamed = false
      object = createObjectReader((name) => mark !== null || names.has(name))
      state = 'object'
      return true
    }
    if (state === 'object') {
      if (buffer === '') return false
      const { name, piece, rest } = object!.push(buffer)
      const isDropped = single && calls > (name === undefined ? 1 : 0)
      if (name !== undefined) {
        isNamed = true
        if (!isDropped) out.push({ kind: 'call', index: calls, name })
        calls++
      }
      if (piece !== '' && !isDropped) out.push({ kind: 'arguments', index: calls - 1, text: piece })
      buffer = rest ?? ''
      if (rest === null) return false
      if (!isNamed) text(out, lead + object!.raw)
      lead = ''
      state = isNamed ? 'after' : mark === null ? 'done' : 'text'
      return true
    }
    // Behind a call: its closing tag, a separator, or text again.
    const space = /^\s*/.exec(buffer)![0].length
    const left = buffer.slice(space)
    if (left === '') return false
    if (style === 'hermes') {
      if (close.startsWith(left) && left.length < close.length) return false
      buffer = left.startsWith(close) ? left.slice(close.length) : left
      state = 'text'
      return true
    }
    if (left[0] === ',' || left[0] === ';') {
      buffer = left.slice(1)
      state = 'before'
      return true
    }
    buffer = left[0] === ']' ? left.slice(1) : left
    state = left[0] === '{' ? 'before' : 'done'
    return true
  }

  function run(): CallEvent[] {
    const out: CallEvent[] = []
    while (step(out));
    return out
  }

  return {
    push(given) {
      buffer += given
      return run()
    },
    end() {
      const out = run()
      if (state === 'text') text(out, buffer.trimEnd() === '' && calls > 0 ? '' : buffer)
      if (state === 'before') text(out, lead + buffer)
      // An object without a name when the answer was cut is no call that anybody could carry out.
      if (state === 'object' && !isNamed) text(out, lead + object!.raw)
      buffer = ''
      return out
    },
  }
}
