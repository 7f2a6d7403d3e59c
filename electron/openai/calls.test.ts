/** Calls in an answer's text, however it is cut into pieces. */
import { describe, expect, test } from 'vitest'
import { createCallReader } from './calls.ts'
import type { CallReaderOptions } from './calls.ts'

interface Read {
  text: string
  calls: { name: string; arguments: string }[]
}

function read(options: Partial<CallReaderOptions>, pieces: readonly string[]): Read {
  const reader = createCallReader({
    style: 'hermes',
    names: new Set(['f', 'g']),
    begun: false,
    single: false,
    ...options,
  })
  const out: Read = { text: '', calls: [] }
  for (const event of [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]) {
    if (event.kind === 'text') out.text += event.text
    else if (event.kind === 'call') {
      expect(event.index).toBe(out.calls.length)
      out.calls.push({ name: event.name, arguments: '' })
    } else {
      expect(event.index).toBe(out.calls.length - 1)
      out.calls[event.index]!.arguments += event.text
    }
  }
  return out
}

/** The same however the text is cut: whole, by characters, and at each place once. */
function always(options: Partial<CallReaderOptions>, text: string): Read {
  const whole = read(options, [text])
  expect(read(options, Array.from(text))).toEqual(whole)
  for (let at = 1; at < text.length; at++) expect(read(options, [text.slice(0, at), text.slice(at)])).toEqual(whole)
  return whole
}

const call = (name: string, given: string) => ({ name, arguments: given })

describe("Hermes' tags", () => {
  test('text, then calls', () => {
    expect(
      always(
        {},
        'I will look.\n<tool_call>\n{"name": "f", "arguments": {"a": "x}\\"y", "b": [1, {"c": null}]}}\n</tool_call>\n<tool_call>{"arguments":{},"name":"g"}</tool_call>',
      ),
    ).toEqual({ text: 'I will look.', calls: [call('f', '{"a": "x}\\"y", "b": [1, {"c": null}]}'), call('g', '{}')] })
  })

  test('a call without arguments has none', () => {
    expect(always({}, '<tool_call>{"name": "f"}</tool_call>')).toEqual({ text: '', calls: [call('f', '{}')] })
  })

  test('what only looks like a call stays text', () => {
    for (const text of [
      'a <tool',
      'a <b> {"name": "f"}',
      '<tool_call>no</tool_call>',
      '<tool_call>{"x": 1}',
      'x\n\n',
    ]) {
      expect([text, always({}, text)]).toEqual([text, { text, calls: [] }])
    }
  })

  test('a call that was cut is as far as it came', () => {
    expect(always({}, '<tool_call>\n{"name": "f", "arguments": {"a": 1')).toEqual({
      text: '',
      calls: [call('f', '{"a": 1')],
    })
    expect(always({}, '<tool_call>\n{"na')).toEqual({ text: '<tool_call>\n{"na', calls: [] })
  })

  test('only the first counts where one is wanted', () => {
    const text =
      '<tool_call>{"name":"f","arguments":{"a":1}}</tool_call><tool_call>{"name":"g","arguments":{}}</tool_call>'
    expect(always({ single: true }, text).calls).toEqual([call('f', '{"a":1}')])
  })
})

describe("Llama's JSON", () => {
  const options = { style: 'llama' } as const
  test('an answer that is a call', () => {
    expect(always(options, '\n{"name": "f", "parameters": {"a": [1, 2]}}')).toEqual({
      text: '',
      calls: [call('f', '{"a": [1, 2]}')],
    })
    expect(always(options, '{"name": "f", "parameters": {}}; {"name": "g", "parameters": {"b": 2}}').calls).toEqual([
      call('f', '{}'),
      call('g', '{"b": 2}'),
    ])
  })
  test('other JSON, and text, stay text', () => {
    for (const text of [
      '{"name": "Ann", "age": 3}',
      '{"a": 1} and more',
      'Hello {"name": "f", "parameters": {}}',
      '[1]',
    ]) {
      expect([text, always(options, text)]).toEqual([text, { text, calls: [] }])
    }
  })
})

describe("Mistral's list", () => {
  const options = { style: 'mistral' } as const
  test('calls behind the mark', () => {
    expect(
      always(options, 'Now.[TOOL_CALLS] [{"name": "f", "arguments": {"a": "]"}}, {"name": "g", "arguments": {}}]'),
    ).toEqual({ text: 'Now.', calls: [call('f', '{"a": "]"}'), call('g', '{}')] })
  })
  test('a mark in the prompt', () => {
    expect(always({ ...options, begun: true }, '[{"name": "f", "arguments": {"a": 1}}]')).toEqual({
      text: '',
      calls: [call('f', '{"a": 1}')],
    })
  })
})
