/** The port through OpenAI's own client, and by plain requests where the client would hide what is sent. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fakeModels, fakeServed, fakeText, imEnd, spell } from '../serving/fake-served.ts'
import type { FakeServed, Script } from '../serving/fake-served.ts'
import { startOpenAiServer } from './openai.ts'
import type { OpenAiServer } from './openai.ts'

let script: Script = {}
let served: FakeServed
let server: OpenAiServer
let client: OpenAI
const text = fakeText()

beforeAll(async () => {
  served = fakeServed('m', {
    tokens: (request) => script.tokens?.(request) ?? [...spell('hello'), imEnd],
    get cachedTokens() {
      return script.cachedTokens ?? 0
    },
  })
  server = await startOpenAiServer({
    served: fakeModels(served),
    textOf: () => text,
    port: 0,
    version: '1.2.3',
    engineStats: () => ({
      kvUsed: 3,
      kvTotal: 12,
      preempted: 1,
      readTokens: 100,
      cachedTokens: 40,
      drafted: 9,
      accepted: 5,
    }),
  })
  client = new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 })
})
afterAll(() => server.close())

const hi = [{ role: 'user' as const, content: 'hi' }]
const lastRequest = () => served.requests.at(-1)!

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

type Refusal = { error: { message: string; type: string; param: string | null; code: string | null } }

async function refused(path: string, body: unknown, status = 400): Promise<Refusal['error']> {
  const response = await post(path, body)
  const { error } = (await response.json()) as Refusal
  expect([response.status, Object.keys(error).sort()]).toEqual([status, ['code', 'message', 'param', 'type']])
  expect(response.headers.get('x-request-id')).toBeTruthy()
  return error
}

describe('chat', () => {
  test('an answer has every field that clients read', async () => {
    script = { cachedTokens: 7 }
    const answer = await client.chat.completions.create({ model: 'm', messages: hi })
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'hello', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { completion_tokens: 6, prompt_tokens_details: { cached_tokens: 7 } },
    })
    expect(answer.id).toMatch(/^chatcmpl-/)
    expect(answer.choices[0]!.message).not.toHaveProperty('tool_calls')
  })

  test('a stream has its parts in order: role, text, end, usage', async () => {
    script = {}
    const chunks = []
    const stream = await client.chat.completions.create({
      model: 'm',
      messages: hi,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) chunks.push(chunk)
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1)
    expect(chunks[0]!.choices[0]).toMatchObject({ delta: { role: 'assistant', content: '' }, finish_reason: null })
    const deltas = chunks.slice(1, -2).map(({ choices }) => choices[0]!)
    expect(deltas.map(({ delta }) => delta.content).join('')).toBe('hello')
    expect(deltas.every(({ finish_reason, delta }) => finish_reason === null && !('role' in delta))).toBe(true)
    expect(chunks.at(-2)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } })
    expect(chunks.slice(0, -1).map(({ usage }) => usage)).toEqual(chunks.slice(0, -1).map(() => null))
  })

  test('n choices have seeds that count on, and usage counts the prompt once', async () => {
    script = {}
    const before = served.requests.length
    const answer = await client.chat.completions.create({ model: 'm', messages: hi, n: 3, seed: 41 })
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(served.requests.slice(before).map(({ sampling }) => sampling.seed)).toEqual([41, 42, 43])
    expect(answer.usage).toMatchObject({
      prompt_tokens: lastRequest().prompt.length,
      completion_tokens: 18,
      total_tokens: lastRequest().prompt.length + 18,
    })
  })

  test('log probabilities: the tokens joined are the content, with as many candidates as were asked for', async () => {
    script = { tokens: () => [...spell('é!'), imEnd] }
    const { choices } = await client.chat.completions.create({
      model: 'm',
      messages: hi,
      logprobs: true,
      top_logprobs: 2,
    })
    const content = choices[0]!.logprobs!.content!
    expect(content.map(({ token }) => token).join('')).toBe(choices[0]!.message.content)
    expect(content.map(({ bytes }) => bytes)).toEqual([[0xc3], [0xa9], [0x21]])
    expect(content.map(({ top_logprobs: top }) => top.length)).toEqual([2, 2, 2])
    script = {}
    const bare = await client.chat.completions.create({ model: 'm', messages: hi, logprobs: true })
    expect(bare.choices[0]!.logprobs!.content!.every(({ top_logprobs: top }) => top.length === 0)).toBe(true)
  })

  test('what is thought before the answer is given apart, under both names, and counted', async () => {
    script = { tokens: () => [...spell('<think>hm</think>yes'), imEnd] }
    const { choices, usage } = await client.chat.completions.create({ model: 'm', messages: hi })
    expect(choices[0]!.message).toMatchObject({ content: 'yes', reasoning: 'hm', reasoning_content: 'hm' })
    // tokens of one letter each: the last of <think>, the thought, and what may be </think> until it is
    expect(usage!.completion_tokens_details!.reasoning_tokens).toBe(10)
    const deltas: Record<string, string | undefined>[] = []
    for await (const chunk of await client.chat.completions.create({ model: 'm', messages: hi, stream: true }))
      deltas.push(chunk.choices[0]!.delta as Record<string, string | undefined>)
    const joined = (name: string) => deltas.map((delta) => delta[name] ?? '').join('')
    expect([joined('reasoning_content'), joined('reasoning'), joined('content')]).toEqual(['hm', 'hm', 'yes'])
    script = {}
  })

  test("vLLM's sampling fields reach the engine", async () => {
    script = {}
    const response = await post('/chat/completions', {
      model: 'm',
      messages: hi,
      top_k: 7,
      min_p: 0.1,
      repetition_penalty: 1.2,
      presence_penalty: 0.5,
      frequency_penalty: -0.5,
      logit_bias: { 65: -100, 66: 5 },
      allowed_token_ids: [65, 66, 67],
      bad_words: ['no', 'x'],
      min_tokens: 2,
      stop_token_ids: [90],
      seed: 9,
      max_completion_tokens: 5,
      max_tokens: 3,
    })
    expect(response.status).toBe(200)
    expect(lastRequest()).toMatchObject({
      maxTokens: 5,
      minTokens: 2,
      badWords: [spell('no'), spell(' no'), spell('x'), spell(' x')],
      sampling: {
        topK: 7,
        minP: 0.1,
        repetitionPenalty: 1.2,
        presencePenalty: 0.5,
        frequencyPenalty: -0.5,
        seed: 9,
        allowedIds: [65, 66, 67],
      },
    })
    expect(lastRequest().stopIds).toContain(90)
    expect(lastRequest().sampling.logitBias).toEqual([
      [65, -100],
      [66, 5],
    ])
    await post('/chat/completions', { model: 'm', messages: hi, ignore_eos: true })
    expect(lastRequest()).toMatchObject({ ignoreStop: true, stopIds: [] })
  })

  test("prompt_logprobs has an entry for each token of the prompt, the first one's is null", async () => {
    script = {}
    const response = await post('/chat/completions', { model: 'm', messages: hi, prompt_logprobs: 1 })
    const body = (await response.json()) as { prompt_logprobs: (Record<string, object> | null)[] }
    const { prompt } = lastRequest()
    expect(body.prompt_logprobs).toHaveLength(prompt.length)
    expect(body.prompt_logprobs[0]).toBeNull()
    expect(body.prompt_logprobs[1]![prompt[1]!]).toEqual({
      logprob: -0.25,
      rank: 1,
      decoded_token: String.fromCharCode(prompt[1]!),
    })
  })

  test('what cannot be honoured is refused by name, before anything is sent', async () => {
    const body = { model: 'm', messages: hi }
    for (const [field, value] of [
      ['n', 0],
      ['temperature', -1],
      ['temperature', 'hot'],
      ['top_logprobs', 3],
      ['max_tokens', 0],
      ['tools', []],
      ['stream_options', { include_usage: true }],
      ['documents', []],
      ['cache_salt', 'x'],
      ['use_beam_search', true],
      ['length_penalty', 2],
      ['priority', 3],
      ['allowed_token_ids', []],
      ['bad_words', ['']],
      ['prompt_logprobs', 21],
      ['logit_bias', { x: 1 }],
    ] as const) {
      const error = await refused('/chat/completions', { ...body, [field]: value })
      expect([field, error.type, error.param?.split(/[.[]/)[0]]).toEqual([field, 'invalid_request_error', field])
    }
    expect(await refused('/chat/completions', { model: 'm', messages: [] })).toMatchObject({ param: 'messages' })
    expect(await refused('/chat/completions', { ...body, prompt_logprobs: 1, stream: true })).toMatchObject({
      param: 'prompt_logprobs',
    })
    expect(await refused('/chat/completions', { ...body, logit_bias: { 9999: 1 } })).toMatchObject({
      code: 'invalid_value',
    })
    expect(await refused('/chat/completions', { ...body, allowed_token_ids: [9999] })).toMatchObject({
      code: 'invalid_value',
    })
    expect(
      await refused('/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(5000) }] }),
    ).toMatchObject({ code: 'context_length_exceeded' })
    expect(await refused('/chat/completions', { ...body, model: 'nope' }, 404)).toMatchObject({
      code: 'model_not_found',
      param: 'model',
    })
    // null is absent, unknown fields are nobody's business
    const response = await post('/chat/completions', { ...body, temperature: null, tools: null, what_is_this: 1 })
    expect(response.status).toBe(200)
  })
})

describe('legacy completions', () => {
  test('a batch of prompts gives choices i·n + j, text of 16 tokens unless said otherwise', async () => {
    script = { tokens: (request) => Array.from({ length: 20 }, () => request.prompt[0]!) }
    const answer = await client.completions.create({ model: 'm', prompt: ['a', 'b'], n: 2 })
    expect(answer.object).toBe('text_completion')
    expect(answer.choices.map(({ index, text: one, finish_reason }) => [index, one, finish_reason])).toEqual([
      [0, 'a'.repeat(16), 'length'],
      [1, 'a'.repeat(16), 'length'],
      [2, 'b'.repeat(16), 'length'],
      [3, 'b'.repeat(16), 'length'],
    ])
  })

  test('log probabilities in the legacy shape, with up to k + 1 candidates and offsets', async () => {
    script = { tokens: () => [...spell('ab'), imEnd] }
    const { choices } = await client.completions.create({ model: 'm', prompt: 'xy', logprobs: 2 })
    expect(choices[0]!.logprobs).toEqual({
      tokens: ['a', 'b'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [
        { a: -0.5, b: -1.5 },
        { b: -0.5, c: -1.5 },
      ],
      text_offset: [0, 1],
    })
  })

  test('echo with log probabilities scores the prompt; the first token has none; a stream brings the same', async () => {
    script = { tokens: () => [...spell('c'), imEnd] }
    const request = { model: 'm', prompt: 'xyz', logprobs: 1, echo: true } as const
    const { choices } = await client.completions.create(request)
    expect(choices[0]!.text).toBe('xyzc')
    expect(choices[0]!.logprobs).toEqual({
      tokens: ['x', 'y', 'z', 'c'],
      token_logprobs: [null, -0.25, -0.5, -0.5],
      top_logprobs: [null, { y: -0.25 }, { z: -0.5 }, { c: -0.5 }],
      text_offset: [0, 1, 2, 3],
    })
    const parts = []
    for await (const chunk of await client.completions.create({ ...request, stream: true }))
      parts.push(chunk.choices[0]!)
    expect(parts.map(({ text: one }) => one).join('')).toBe('xyzc')
    expect(parts.flatMap(({ logprobs }) => logprobs?.token_logprobs ?? [])).toEqual([null, -0.25, -0.5, -0.5])
    expect(parts.flatMap(({ logprobs }) => logprobs?.text_offset ?? [])).toEqual([0, 1, 2, 3])
  })

  test('with max_tokens 0 the prompt is only scored', async () => {
    const { choices, usage } = await client.completions.create({
      model: 'm',
      prompt: 'xyz',
      logprobs: 0,
      echo: true,
      max_tokens: 0,
    })
    expect(choices[0]).toMatchObject({ text: 'xyz', finish_reason: 'length' })
    expect(choices[0]!.logprobs!.token_logprobs).toEqual([null, -0.25, -0.5])
    expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 0 })
  })

  test('best_of gives the n choices with the highest log probability per token', async () => {
    const tokens = [
      { id: 65, logprob: -3, top: [] },
      { id: 66, logprob: -1, top: [] },
      { id: 67, logprob: -2, top: [] },
    ]
    let next = 0
    const generate: FakeServed['generate'] = async function* () {
      yield { kind: 'tokens', tokens: [tokens[next++]!] }
      yield { kind: 'ended', reason: 'length', stopId: null, problem: null }
    }
    const other = await startOpenAiServer({ served: fakeModels({ ...served, generate }), textOf: () => text, port: 0 })
    try {
      const { choices, usage } = await new OpenAI({ baseURL: other.url, apiKey: 'none' }).completions.create({
        model: 'm',
        prompt: 'x',
        n: 2,
        best_of: 3,
      })
      expect(choices.map(({ index, text: one, logprobs }) => [index, one, logprobs])).toEqual([
        [0, 'B', null],
        [1, 'C', null],
      ])
      expect(usage).toMatchObject({ completion_tokens: 3 })
    } finally {
      await other.close()
    }
    expect(await refused('/completions', { model: 'm', prompt: 'x', n: 3, best_of: 2 })).toMatchObject({
      param: 'best_of',
    })
    expect(await refused('/completions', { model: 'm', prompt: 'x', best_of: 2, stream: true })).toMatchObject({
      param: 'best_of',
    })
    expect(await refused('/completions', { model: 'm', prompt: 'x', suffix: 'y' })).toMatchObject({ param: 'suffix' })
  })
})

describe('the other routes', () => {
  test('models are listed and retrieved, also by untidy paths', async () => {
    expect((await client.models.list()).data).toMatchObject([
      { id: 'm', object: 'model', owned_by: 'lanyard', max_model_len: 4096 },
    ])
    expect(await client.models.retrieve('m')).toMatchObject({ id: 'm', object: 'model' })
    await expect(client.models.retrieve('nope')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    const root = server.url.replace(/\/v1$/, '')
    for (const path of ['/v1//models', '/v1/models/', '/models', '//v1/models/m']) {
      expect((await fetch(root + path)).status).toBe(200)
    }
    expect((await fetch(`${root}/v1/models`, { method: 'HEAD' })).status).toBe(200)
  })

  test('tokenize and detokenize undo each other', async () => {
    const tokenized = (await (await post('/tokenize', { model: 'm', prompt: 'héy' })).json()) as { tokens: number[] }
    expect(tokenized).toMatchObject({ count: 4, max_model_len: 4096, tokens: spell('héy') })
    const back = await post('/detokenize', { model: 'm', tokens: tokenized.tokens })
    expect(await back.json()).toEqual({ prompt: 'héy' })
    const chat = await post('/tokenize', { model: 'm', messages: hi })
    expect(await chat.json()).toMatchObject({ tokens: text.chat(hi) })
  })

  test('health, version, and metrics under the names of vLLM', async () => {
    const root = server.url.replace(/\/v1$/, '')
    const health = await fetch(`${root}/health`)
    expect([health.status, await health.text()]).toEqual([200, ''])
    expect(await (await fetch(`${root}/version`)).json()).toEqual({ version: '1.2.3' })
    const metrics = await (await fetch(`${root}/metrics`)).text()
    for (const line of [
      'vllm:num_requests_running{model_name="m",engine="0"} 0',
      'vllm:kv_cache_usage_perc{model_name="m",engine="0"} 0.25',
      'vllm:num_preemptions_total{model_name="m",engine="0"} 1',
      'vllm:prefix_cache_queries_total{model_name="m",engine="0"} 100',
      'vllm:prefix_cache_hits_total{model_name="m",engine="0"} 40',
      'vllm:spec_decode_num_draft_tokens_total{model_name="m",engine="0"} 9',
      'vllm:spec_decode_num_accepted_tokens_total{model_name="m",engine="0"} 5',
    ]) {
      expect(metrics).toContain(line)
    }
    const of = (name: string) => Number(new RegExp(`vllm:${name}\\{[^}]*\\} (\\S+)`).exec(metrics)![1])
    expect(of('request_queue_time_seconds_count')).toBe(of('request_inference_time_seconds_count'))
    expect(of('request_inference_time_seconds_sum')).toBeCloseTo(
      of('request_prefill_time_seconds_sum') + of('request_decode_time_seconds_sum'),
      6,
    )
    const count = /inter_token_latency_seconds_count\{[^}]*\} (\d+)/.exec(metrics)
    expect(Number(count![1])).toBeGreaterThan(0)
  })

  test('unknown routes, wrong methods, wrong content and wrong types have the shape that clients read', async () => {
    const missing = await fetch(`${server.url}/nothing`)
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: 'not_found', param: null } }])
    const method = await fetch(`${server.url}/chat/completions`)
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
    expect(await refused('/chat/completions', '{"model":')).toMatchObject({ code: 'invalid_json' })
    const plain = await post('/chat/completions', '{}', { 'content-type': 'text/plain' })
    expect([plain.status, await plain.json()]).toMatchObject([400, { error: { code: 'invalid_content_type' } }])
    expect(await refused('/embeddings', { model: 'm', input: 'x' })).toMatchObject({ code: 'unsupported_model' })
  })
})
