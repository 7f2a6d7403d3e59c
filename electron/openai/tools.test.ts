/** Calls of functions through OpenAI's own client: scripted answers, and random models that are made to call. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callStyleOf, chatTemplate } from '../models/models.ts'
import { fakeModels, fakeServed, fakeText, imEnd, spell } from '../serving/fake-served.ts'
import type { FakeServed } from '../serving/fake-served.ts'
import type { TextTools } from '../serving/text-tools.ts'
import { temporaryFolder } from '../worker/testing/worker-process.ts'
import { fixture, nativeEngine, serve, writeByteModel } from '../../test/served-model.ts'
import { startOpenAiServer } from './openai.ts'
import type { OpenAiServer } from './openai.ts'

type Tool = OpenAI.ChatCompletionFunctionTool
const weather: Tool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', maxLength: 8 },
        unit: { enum: ['C', 'F'] },
        days: { type: 'integer', minimum: 1, maximum: 14 },
      },
      required: ['city', 'unit'],
      additionalProperties: false,
    },
  },
}
const clock: Tool = { type: 'function', function: { name: 'time' } }
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Weather?' }]

describe('scripted answers', () => {
  let answer = ''
  let text: TextTools = fakeText()
  let served: FakeServed
  let server: OpenAiServer
  let client: OpenAI
  const seen: { messages: unknown; tools: unknown }[] = []
  beforeAll(async () => {
    served = fakeServed('m', { tokens: () => [...spell(answer), imEnd] })
    server = await startOpenAiServer({
      served: fakeModels(served),
      textOf: () => ({
        ...text,
        chat(given, options) {
          seen.push({ messages: given, tools: options?.tools })
          return text.chat(given, options)
        },
      }),
      port: 0,
    })
    client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 })
  })
  afterAll(() => server.close())
  const ask = (more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
    client.chat.completions.create({ model: 'm', messages, tools: [weather, clock], ...more })

  test('a call is told apart from the text, whole and streamed alike', async () => {
    answer =
      'One moment.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bonn", "unit": "C"}}\n</tool_call>\n<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'
    const { choices } = await ask()
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'One moment.',
        tool_calls: [
          { type: 'function', function: { name: 'get_weather', arguments: '{"city": "Bonn", "unit": "C"}' } },
          { type: 'function', function: { name: 'time', arguments: '{}' } },
        ],
      },
    })
    const ids = choices[0]!.message.tool_calls!.map(({ id }) => id)
    expect(new Set(ids).size).toBe(2)

    const stream = client.chat.completions.stream({ model: 'm', messages, tools: [weather, clock] })
    const pieces: string[] = []
    let firsts = 0
    for await (const chunk of stream) {
      for (const call of chunk.choices[0]!.delta.tool_calls ?? []) {
        if (call.id) firsts++
        expect(call.function!.arguments).toBeTypeOf('string')
        if (call.index === 0) pieces.push(call.function!.arguments!)
      }
    }
    const final = (await stream.finalChatCompletion()).choices[0]!
    expect(final.finish_reason).toBe('tool_calls')
    expect(final.message.content).toBe('One moment.')
    expect(final.message.tool_calls!.map((call) => (call as { function: unknown }).function)).toMatchObject(
      choices[0]!.message.tool_calls!.map((call) => (call as { function: object }).function),
    )
    expect(firsts).toBe(2)
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(5)
    expect(seen.at(-1)!.tools).toEqual([weather, clock])
  })

  test('a call alone has no content; one call where parallel ones are off', async () => {
    answer =
      '<tool_call>{"name": "time", "arguments": {}}</tool_call><tool_call>{"name": "time", "arguments": {}}</tool_call>'
    const both = await ask()
    expect(both.choices[0]!.message).toMatchObject({ content: null, tool_calls: [{}, {}] })
    const one = await ask({ parallel_tool_calls: false })
    expect(one.choices[0]!.message.tool_calls).toHaveLength(1)
  })

  test('no call: no tool_calls; none hides the functions', async () => {
    answer = 'Rain.'
    const plain = await ask()
    expect(plain.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Rain.' } })
    expect(plain.choices[0]!.message).not.toHaveProperty('tool_calls')
    answer = 'x'
    await ask({ tool_choice: 'none' })
    expect(seen.at(-1)!.tools).toBeNull()
  })

  test('a cut answer stays cut', async () => {
    answer = '<tool_call>{"name": "get_weather", "arguments": {"city": "Bo'
    const cut = await ask({ max_tokens: answer.length })
    expect(cut.choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { tool_calls: [{ function: { name: 'get_weather', arguments: '{"city": "Bo' } }] },
    })
  })

  test('a template without functions gets them in the system message, and results as text', async () => {
    text = { ...fakeText(), callStyle: null }
    answer = 'ok'
    await ask({
      messages: [
        { role: 'system', content: 'Be brief.' },
        ...messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'time', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: '12:00' },
        { role: 'tool', tool_call_id: 'call_2', content: '13:00' },
      ],
    })
    const { messages: given, tools } = seen.at(-1)! as { messages: { role: string; content: string }[]; tools: unknown }
    expect(tools).toBeNull()
    expect(given.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(given[0]!.content).toMatch(/^Be brief\.[\s\S]*"get_weather"/)
    expect(given[2]!.content).toContain('<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>')
    expect(given[3]!.content).toContain('12:00')
    expect(given[3]!.content).toContain('13:00')
    text = fakeText()
  })

  test.each<[object, string]>([
    [{ tools: [] }, 'tools'],
    [{ tool_choice: 'required', tools: undefined }, 'tool_choice'],
    [{ tool_choice: { type: 'function', function: { name: 'nope' } } }, 'tool_choice'],
    [{ tools: [clock, clock] }, 'tools'],
    [{ tool_choice: 'required', response_format: { type: 'json_object' } }, 'tool_choice'],
    [
      { tool_choice: 'required', tools: [{ type: 'function', function: { name: 'f', parameters: { not: {} } } }] },
      'tools',
    ],
  ])('%j is refused', async (more, param) => {
    await expect(ask(more as never)).rejects.toMatchObject({ status: 400, param })
  })
})

test('the style of calls is told by the template', () => {
  const folder = fixture('chat_templates')
  if (folder === null) return console.log('Left out: the templates of the fixtures (../shared/fixtures is absent).')
  const source = (name: string) => readFileSync(path.join(folder, `${name}.jinja`), 'utf8')
  expect(
    ['qwen2.5_tools', 'qwen3', 'llama3.1_tools', 'chatml', 'mistral_inst'].map((name) => callStyleOf(source(name))),
  ).toEqual(['hermes', 'hermes', 'llama', null, 'mistral'])
  // And the template prints what it is given.
  const rendered = chatTemplate(source('qwen2.5_tools'), {}).render([{ role: 'user', content: 'x' }], {
    tools: [weather],
  })
  expect(rendered).toContain('"get_weather"')
})

const hasEngine = existsSync(nativeEngine)
if (!hasEngine) console.log('Left out: forced calls with the real engine, because dist/native is not built.')

describe.skipIf(!hasEngine)('random models that are made to call', () => {
  const validate = new Ajv2020({ strict: false }).compile(weather.function.parameters!)
  for (const name of ['bytes', 'qwen3', 'mistral']) {
    const folder = name === 'bytes' ? null : fixture(name)
    if (name !== 'bytes' && folder === null) {
      console.log(`Left out: forced calls with ${name} (../shared/fixtures is absent).`)
      continue
    }
    test(`${name}: required and named calls have valid arguments, streamed or not`, async () => {
      using own = temporaryFolder()
      await using port = await serve(folder ?? writeByteModel(own.path), name === 'bytes' ? 1000 : undefined)
      const base = { model: 'm', messages, tools: [weather, clock], max_tokens: 400 }
      const check = (calls: readonly { name: string; arguments: string }[]): void => {
        expect(calls.length).toBeGreaterThan(0)
        for (const call of calls) {
          const given = JSON.parse(call.arguments) as unknown
          if (call.name === 'time') expect(given).toEqual({})
          else if (!validate(given)) throw new Error(`${call.arguments} is not valid`)
        }
      }
      let whole = 0
      for (const seed of [1, 2, 3]) {
        const named = await port.client.chat.completions.create({
          ...base,
          seed,
          tool_choice: { type: 'function', function: { name: 'get_weather' } },
        })
        const { finish_reason: reason, message } = named.choices[0]!
        if (reason === 'stop') {
          check(message.tool_calls!.map((call) => (call as { function: { name: string; arguments: string } }).function))
          expect(message.tool_calls).toHaveLength(1)
          expect(message.content).toBeNull()
          whole++
        }
        const stream = port.client.chat.completions.stream({
          ...base,
          seed,
          tool_choice: 'required',
          parallel_tool_calls: false,
        })
        const final = (await stream.finalChatCompletion()).choices[0]!
        expect(['tool_calls', 'length']).toContain(final.finish_reason)
        if (final.finish_reason === 'tool_calls') {
          check(
            final.message.tool_calls!.map(
              (call) => (call as { function: { name: string; arguments: string } }).function,
            ),
          )
          expect(final.message.tool_calls).toHaveLength(1)
          whole++
        }
      }
      expect(whole).toBeGreaterThan(2)
    })
  }
})
