/** The built-in model, its card and the scripts that made it agree. Needs no Python. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadTokenizer } from '../../electron/models/models.ts'

const here = import.meta.dirname
const model = path.join(here, 'model')
const topics = path.join(here, '../../renderer/help/topics.json')
const read = (...parts: string[]) => readFileSync(path.join(here, ...parts), 'utf8')
const json = (...parts: string[]) => JSON.parse(read(...parts)) as Record<string, unknown>
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
const card = read('model', 'README.md')

/** What `corpus_hash` of guide/corpus.py computes: name, NUL, bytes, NUL of each file, line ends as LF; scripts, then words. */
function corpusHash(): string {
  const listed = /^SOURCES = \[(.*)\]$/m.exec(read('guide', 'corpus.py'))?.[1] ?? ''
  const sources = [...listed.matchAll(/"([^"]+)"/g)].map((match) => path.join(here, 'guide', match[1]!))
  expect(sources.length).toBeGreaterThan(5)
  const words = readdirSync(path.join(here, 'guide/words')).filter((file) => file.endsWith('.json'))
  expect(words.length).toBeGreaterThan(5)
  const hash = createHash('sha256')
  for (const file of [topics, ...sources, ...words.toSorted().map((name) => path.join(here, 'guide/words', name))]) {
    const text = readFileSync(file, 'latin1').replaceAll('\r\n', '\n')
    hash
      .update(`${path.basename(file)}\0`)
      .update(text, 'latin1')
      .update('\0')
  }
  return hash.digest('hex')
}

describe('the built-in model', () => {
  test('its card names the help texts and scripts it was trained from, as they are now', () => {
    expect(card, 'help texts or corpus scripts changed: train again, see build/guide-model/README.md').toContain(
      `corpus hash: \`${corpusHash()}\``,
    )
  })

  test('its card names these very weights', () => {
    expect(card).toContain(`weights hash: \`${sha256(readFileSync(path.join(model, 'model.safetensors')))}\``)
  })

  test('it is small', () => {
    const sizes = readdirSync(model).map((file) => statSync(path.join(model, file)).size)
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(10_000_000)
  })

  test('it can be split: several KV heads, feed-forward columns that three ranks share unevenly', () => {
    const config = json('model', 'config.json')
    expect(config).toMatchObject({ architectures: ['LlamaForCausalLM'], torch_dtype: 'bfloat16' })
    expect(config['num_key_value_heads']).toBeGreaterThanOrEqual(2)
    expect((config['num_attention_heads'] as number) % (config['num_key_value_heads'] as number)).toBe(0)
    expect((config['intermediate_size'] as number) % 3).not.toBe(0)
    expect(config['max_position_embeddings']).toBeGreaterThanOrEqual(1024)
  })

  test('config, tokenizer and template speak of the same tokens', () => {
    const config = json('model', 'config.json')
    const tokenizer = json('model', 'tokenizer.json') as {
      model: { vocab: Record<string, number> }
      added_tokens: { content: string; id: number; special: boolean }[]
    }
    const ids = new Map(tokenizer.added_tokens.map((token) => [token.content, token.id]))
    expect([...ids.keys()].toSorted()).toEqual(['<|endoftext|>', '<|im_end|>', '<|im_start|>'])
    expect(config['eos_token_id']).toBe(ids.get('<|im_end|>'))
    expect(json('model', 'generation_config.json')['eos_token_id']).toContain(ids.get('<|im_end|>'))
    expect(Math.max(...Object.values(tokenizer.model.vocab)) + 1).toBe(config['vocab_size'])
    expect(json('model', 'tokenizer_config.json')['chat_template']).toContain('<|im_start|>')
  })
})

test('the app’s tokenizer makes the same tokens as the one that the model was trained with', async () => {
  const tokenizer = await loadTokenizer(model)
  const wanted = json('evaluation', 'tokens.json') as Record<string, number[]>
  expect(Object.keys(wanted).length).toBeGreaterThan(5)
  for (const [text, ids] of Object.entries(wanted)) {
    expect([...tokenizer.encode(text)], text).toEqual(ids)
    expect(tokenizer.decode(ids), text).toBe(text)
  }
})

describe('the evaluation', () => {
  type Item = { language: 'en' | 'zh'; topic: string; question: string }
  const known = (JSON.parse(readFileSync(topics, 'utf8')) as { id: string; answer: Record<string, string> }[]).map(
    (topic) => topic.id,
  )

  test('has at least 300 different questions on every topic in both languages, 60 of them out of scope', () => {
    const questions = JSON.parse(read('evaluation', 'questions.json')) as Item[]
    expect(new Set(questions.map((item) => item.question)).size).toBe(questions.length)
    expect(questions.length).toBeGreaterThanOrEqual(300)
    expect(questions.filter((item) => item.topic === 'out-of-scope').length).toBeGreaterThanOrEqual(60)
    for (const language of ['en', 'zh'])
      expect(new Set(questions.filter((item) => item.language === language).map((item) => item.topic))).toEqual(
        new Set(known),
      )
  })

  test('shares no question with the set that choices were made by', () => {
    const development = new Set((JSON.parse(read('evaluation', 'development.json')) as Item[]).map((i) => i.question))
    const questions = JSON.parse(read('evaluation', 'questions.json')) as Item[]
    expect(questions.filter((item) => development.has(item.question))).toEqual([])
  })

  test('asks for facts that the help texts have, and no other topic’s answer has all of', () => {
    const facts = JSON.parse(read('evaluation', 'facts.json')) as Record<string, Record<'en' | 'zh', string[]>>
    const texts = JSON.parse(readFileSync(topics, 'utf8')) as { id: string; answer: Record<'en' | 'zh', string> }[]
    for (const language of ['en', 'zh'] as const) {
      const hasAll = (text: string, id: string) =>
        facts[id]![language].every((fact) => fact.split('|').some((f) => text.toLowerCase().includes(f.toLowerCase())))
      for (const { id } of texts)
        expect(texts.filter((topic) => hasAll(topic.answer[language], id)).map((topic) => topic.id)).toEqual([id])
    }
  })
})
