/** Output formats from OpenAI's client down to the sampler: random models, whose answers are valid all the same. */
import { existsSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../worker/testing/worker-process.ts'
import { fixture, nativeEngine, serve, writeByteModel } from '../../test/served-model.ts'
import type { Port } from '../../test/served-model.ts'

const hasEngine = existsSync(nativeEngine)
if (!hasEngine) console.log('Left out: output formats with the real engine, because dist/native is not built.')

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const short = { type: 'string', maxLength: 6 }
const schemas: Record<string, Record<string, unknown>> = {
  flat: {
    type: 'object',
    properties: { name: short, age: { type: 'integer', minimum: 0, maximum: 130 }, ok: { type: 'boolean' } },
    required: ['name', 'age', 'ok'],
    additionalProperties: false,
  },
  nested: {
    type: 'object',
    properties: {
      items: {
        type: 'array',
        minItems: 1,
        maxItems: 2,
        items: {
          type: 'object',
          properties: { kind: { enum: ['a', 'b"', null, 3] }, score: { type: 'number', minimum: -1, maximum: 1.5 } },
          required: ['kind', 'score'],
          additionalProperties: false,
        },
      },
      extra: {
        anyOf: [{ type: 'null' }, short, { type: 'array', items: { type: 'integer', maximum: 99 }, maxItems: 2 }],
      },
    },
    required: ['items', 'extra'],
    additionalProperties: false,
  },
  'by reference': {
    $defs: {
      node: {
        type: 'object',
        properties: { v: { const: null }, next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/node' }] } },
        required: ['v', 'next'],
        additionalProperties: false,
      },
    },
    $ref: '#/$defs/node',
  },
}

const messages = [{ role: 'user' as const, content: 'Go.' }]

function models(): [string, () => string | null][] {
  return [
    ['bytes', () => null],
    ...['qwen2', 'mistral', 'qwen1', 'gemma2'].map((name): [string, () => string | null] => [
      name,
      () => fixture(name),
    ]),
  ]
}

describe.skipIf(!hasEngine)('output formats', () => {
  for (const [name, folderOf] of models()) {
    const folder = folderOf()
    if (name !== 'bytes' && folder === null) {
      console.log(`Left out: output formats with ${name} (../shared/fixtures is absent).`)
      continue
    }
    describe(name, () => {
      let port: Port
      const own = temporaryFolder()
      beforeAll(async () => {
        port = await serve(folder ?? writeByteModel(own.path))
      }, 60_000)
      afterAll(async () => {
        await port[Symbol.asyncDispose]()
        own[Symbol.dispose]()
      })

      test.each(Object.entries(schemas))('a schema (%s): every answer that ends is valid', async (_, schema) => {
        const validate = ajv.compile(schema)
        const answers = await Promise.all(
          [1, 2, 3, 4, 5, 6].map((seed) =>
            port.client.chat.completions.create({
              model: 'm',
              messages,
              seed,
              temperature: seed % 3 === 0 ? 0 : 1,
              max_tokens: 400,
              response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } },
            }),
          ),
        )
        const ended = answers.map(({ choices }) => choices[0]!).filter((choice) => choice.finish_reason === 'stop')
        for (const { message } of ended) {
          const value = JSON.parse(message.content!) as unknown
          if (!validate(value)) throw new Error(`${message.content} is not valid: ${ajv.errorsText(validate.errors)}`)
        }
        expect(ended.length).toBeGreaterThan(2)
      })

      test('choice, regex, grammar and any object, together, some of them streamed', async () => {
        const ask = (more: object) =>
          port.client.chat.completions.create({ model: 'm', messages, max_tokens: 300, ...more } as never) as Promise<{
            choices: { finish_reason: string; message: { content: string } }[]
          }>
        const choice = ['positive', 'negative', 'é "neutral"']
        const [first, second, third, fourth, old, stream] = await Promise.all([
          ask({ structured_outputs: { choice }, seed: 1 }),
          ask({ structured_outputs: { regex: '[A-Z]{2}-\\d{3}(é|ß)?' }, seed: 2 }),
          ask({ guided_grammar: 'root ::= "<" word ("," word){1,2} ">"\nword ::= [a-c]+ | "字"', seed: 3, top_p: 0.9 }),
          ask({ response_format: { type: 'json_object' }, seed: 4, max_tokens: 500 }),
          ask({ guided_json: { enum: [null, 12] }, seed: 5 }),
          port.client.chat.completions.create({
            model: 'm',
            messages,
            stream: true,
            ...({ guided_choice: choice } as object),
          }),
        ])
        expect(choice).toContain(first.choices[0]!.message.content)
        expect(second.choices[0]!.message.content).toMatch(/^[A-Z]{2}-\d{3}[éß]?$/)
        const { finish_reason: why, message } = third.choices[0]!
        if (why === 'stop') expect(message.content).toMatch(/^<([a-c]+|字)(,([a-c]+|字)){1,2}>$/)
        if (fourth.choices[0]!.finish_reason === 'stop')
          expect(JSON.parse(fourth.choices[0]!.message.content)).toBeTypeOf('object')
        expect(fourth.choices[0]!.message.content).toMatch(/^\{/)
        expect(['null', '12']).toContain(old.choices[0]!.message.content)
        let streamed = ''
        for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? ''
        expect(choice).toContain(streamed)
      })

      test('the same seed gives the same answer, alone or beside others that are free', async () => {
        const one = (more: object = {}) =>
          port.client.chat.completions.create({
            model: 'm',
            messages,
            seed: 11,
            max_tokens: 60,
            response_format: { type: 'json_schema', json_schema: { name: 'x', schema: schemas['flat']! } },
            ...more,
          })
        const free = () => port.client.chat.completions.create({ model: 'm', messages, max_tokens: 80, seed: 3 })
        const alone = await one()
        const [beside, , lone] = await Promise.all([one(), free(), free(), one({ seed: 12 })])
        expect(beside.choices[0]!.message.content).toBe(alone.choices[0]!.message.content)
        expect(lone.choices[0]!.message.content).toBe((await free()).choices[0]!.message.content)
      })
    })
  }

  test('what cannot be kept is refused before anything is generated', async () => {
    using own = temporaryFolder()
    await using port = await serve(writeByteModel(own.path))
    const refused = async (more: object) => {
      const body = { model: 'm', messages, ...more }
      const error = await port.client.chat.completions.create(body as never).then(
        () => null,
        (failure: unknown) => failure as { status: number; param: string; message: string },
      )
      return error && [error.status, error.param, error.message]
    }
    const schema = (of: unknown) => ({
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: of } },
    })
    expect(await refused({ response_format: { type: 'json_schema' } })).toMatchObject([
      400,
      'response_format.json_schema',
      /Missing/,
    ])
    expect(await refused(schema({ type: 'object', properties: { a: { not: {} } } }))).toMatchObject([
      400,
      'response_format',
      /"not" is not supported, at #\/properties\/a/,
    ])
    expect(await refused(schema('{"type":'))).toMatchObject([400, 'response_format', /not JSON/])
    expect(await refused(schema(7))).toMatchObject([400, expect.stringContaining('schema') as string, /./])
    expect(await refused({ structured_outputs: { regex: '(?=a)' } })).toMatchObject([
      400,
      'structured_outputs.regex',
      /look-around/,
    ])
    expect(await refused({ guided_grammar: 'root ::= root "a"' })).toMatchObject([
      400,
      'guided_grammar',
      /begins with itself/,
    ])
    expect(await refused({ guided_grammar: 'root ::= "a" word' })).toMatchObject([
      400,
      'guided_grammar',
      /no rule "word", line 1/,
    ])
    expect(await refused({ guided_choice: ['a'], response_format: { type: 'json_object' } })).toMatchObject([
      400,
      'guided_choice',
      /two forms/,
    ])
    expect(await refused({ structured_outputs: { choice: [] } })).toMatchObject([400, 'structured_outputs.choice', /./])
    // And the port goes on.
    const answer = await port.client.chat.completions.create({
      model: 'm',
      messages,
      ...({ guided_choice: ['yes'] } as object),
    })
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'yes' } })
  })
})
