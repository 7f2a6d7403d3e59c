import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type ChatMessage, chatTemplate } from './chat-template.ts'
import { openModel } from './library-files.ts'
import { loadTokenizer } from './tokenizer/tokenizer-files.ts'

const fixtures = fileURLToPath(new URL('../../../shared/fixtures/main/', import.meta.url))
const present = existsSync(fixtures)
if (!present) console.log('Left out: chat template goldens (../shared/fixtures is absent).')
const read = <T>(path: string): T => JSON.parse(readFileSync(fixtures + path, 'utf8')) as T

interface Golden {
  templates: Record<string, { file: string; bos_token: string | null; eos_token: string | null }>
  cases: {
    template: string
    conversation: string
    messages: ChatMessage[]
    tools: unknown[] | null
    kwargs: Record<string, unknown>
    rendered?: string
    error?: string
  }[]
}

/** Arguments that were numbers with a point in Python: JSON has one kind of number, so 3.0 is written 3. */
const integers = (text: string) => text.replaceAll(/(\d)\.0\b/g, '$1')

describe.skipIf(!present)('the templates of the fixtures', () => {
  const golden = present ? read<Golden>('chat_templates/golden.json') : { templates: {}, cases: [] }
  // jinja_torture exercises Jinja itself; @huggingface/jinja 0.5.11 has no tests with arguments (`is sameas true`) and
  // no `format` filter. No published template that was looked at needs them; one that does is refused with the reason.
  const names = Object.keys(golden.templates).filter((name) => name !== 'jinja_torture')

  test.each(names)('%s renders every conversation as transformers does', (name) => {
    const { file, bos_token, eos_token } = golden.templates[name]!
    const template = chatTemplate(readFileSync(`${fixtures}chat_templates/${file}`, 'utf8'), { bos_token, eos_token })
    let compared = 0
    for (const { messages, tools, kwargs, rendered, error } of golden.cases.filter((each) => each.template === name)) {
      const { add_generation_prompt, ...variables } = kwargs
      const run = () =>
        template.render(messages, { tools, addGenerationPrompt: add_generation_prompt as boolean, variables })
      compared++
      const texts = messages
        .flatMap((message) => (Array.isArray(message.content) ? message.content : []) as { text?: string }[])
        .map((part) => part.text ?? '')
      const asText = [texts.join('').trim(), texts.map((text) => text.trim()).join('')]
      // Templates that know only strings fail on OpenAI's parts in Python, print or drop them; here they get the text.
      if (texts.length > 0 && !asText.some((text) => rendered?.includes(text))) {
        expect(run()).toContain(asText[0])
      } else if (error !== undefined) {
        expect(run).toThrow(expect.objectContaining({ code: 'bad_request' }))
      } else {
        expect(integers(run())).toBe(integers(rendered!))
      }
    }
    expect(compared).toBeGreaterThan(20)
  })

  test('with a construct that Jinja here lacks is refused with the reason', () => {
    const source = readFileSync(`${fixtures}chat_templates/jinja_torture.jinja`, 'utf8')
    expect(() => chatTemplate(source, {})).toThrow(expect.objectContaining({ code: 'model_tokenizer' }))
  })
})

const models = [
  'llama',
  'llama-tied-f16',
  'qwen1',
  'qwen2',
  'qwen2-yarn',
  'qwen3',
  'mistral',
  'mixtral',
  'qwen3_moe',
  'phi3',
  'gemma2',
  'gemma3',
]

test.skipIf(!present).each(models)(
  '%s: the conversation of the fixture becomes its ids, and the answer its text',
  async (name) => {
    const { chat, tokenizer } = read<{
      tokenizer: { eos: number[] }
      chat: {
        messages: ChatMessage[]
        rendered: string
        ids: number[]
        completion_ids: number[]
        completion_text: string
        completion_text_with_special: string
      }
    }>(`${name}/golden.json`)
    const { text, info } = await openModel(fixtures + name)
    expect(text.render(chat.messages)).toBe(chat.rendered)
    expect(text.chat(chat.messages)).toEqual(chat.ids)
    expect(text.decode(chat.completion_ids, true)).toBe(chat.completion_text)
    expect(text.decode(chat.completion_ids, false)).toBe(chat.completion_text_with_special)
    for (const id of tokenizer.eos) expect(info.stopIds).toContain(id)
  },
)

test.skipIf(!present)(
  'Qwen1 without a template gets ChatML piece by piece, as its own make_context builds it',
  async () => {
    const { make_context } = read<{
      make_context: { query: string; history: [string, string][]; system: string; rendered: string; ids: number[] }[]
    }>('tokenizers/qwen1/golden.json')
    const tokenizer = await loadTokenizer(`${fixtures}tokenizers/qwen1`)
    const template = chatTemplate(null, {}, 'You are a helpful assistant.')
    for (const { query, history, system, rendered, ids } of make_context) {
      const messages: ChatMessage[] = [
        { role: 'system', content: system },
        ...history.flatMap(([user, assistant]) => [
          { role: 'user', content: user },
          { role: 'assistant', content: assistant },
        ]),
        { role: 'user', content: query },
      ]
      expect(template.render(messages)).toBe(rendered)
      expect(template.ids(tokenizer, messages)).toEqual(ids)
      if (system === 'You are a helpful assistant.') expect(template.ids(tokenizer, messages.slice(1))).toEqual(ids)
    }
  },
)

test.skipIf(!present).each(models)('%s: a message that spells out special tokens opens no turn', async (name) => {
  const { text } = await openModel(fixtures + name)
  const { tokenizer } = text
  const count = (ids: number[]) => {
    const special = new Set([...tokenizer.specials].filter(([form]) => form !== '<unk>').map(([, id]) => id))
    return ids.filter((id) => special.has(id)).length
  }
  const plain = count(text.chat([{ role: 'user', content: 'hello' }]))
  for (const special of tokenizer.specials.keys()) {
    const injected = text.chat([{ role: 'user', content: `a ${special}${special} system ${special}` }])
    expect(count(injected)).toBe(plain)
    const head = special.slice(0, -1)
    expect(
      count(
        text.chat([
          {
            role: 'user',
            content: [
              { type: 'text', text: head },
              { type: 'text', text: special.slice(-1) },
            ],
          },
        ]),
      ),
    ).toBe(plain)
  }
})

test('ChatML has no system message of its own unless the family wants one', () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  expect(chatTemplate(null, {}).render(messages)).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n')
  expect(chatTemplate(null, {}, 'Be kind.').render(messages, { addGenerationPrompt: false })).toBe(
    '<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n',
  )
})

test('a template reads the arguments of a call as an object, though OpenAI carries them as text', () => {
  const template = chatTemplate('{{ messages[0].tool_calls[0].function.arguments.city }}', {})
  const call = { type: 'function', function: { name: 'weather', arguments: '{"city":"上海"}' } }
  expect(template.render([{ role: 'assistant', content: null, tool_calls: [call] }])).toBe('上海')
})

test('a template that raises an exception refuses the conversation in its own words', () => {
  const template = chatTemplate("{{ raise_exception('roles must alternate') }}", {})
  expect(() => template.render([])).toThrow(
    expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('roles must alternate') }),
  )
})
