import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { baseUrl, snippet } from './snippets.ts'

test('the base URL ends in /v1 once, however it comes', () => {
  for (const url of ['http://127.0.0.1:1', 'http://127.0.0.1:1/', 'http://127.0.0.1:1/v1', 'http://127.0.0.1:1/v1/']) {
    expect(baseUrl(url)).toBe('http://127.0.0.1:1/v1')
  }
})

test('a pasted curl command sends exactly the JSON meant, whatever quotes the text has', () => {
  const command = snippet('curl', 'http://127.0.0.1:1/v1', 'it\'s "big"', "What's $HOME `pwd`?")
  const words = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${command}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
  expect(words.slice(0, 4)).toEqual([
    'http://127.0.0.1:1/v1/chat/completions',
    '-H',
    'Content-Type: application/json',
    '-d',
  ])
  expect(JSON.parse(words[4]!)).toEqual({
    model: 'it\'s "big"',
    messages: [{ role: 'user', content: "What's $HOME `pwd`?" }],
  })
})

test('names are quoted in Python and JavaScript', () => {
  expect(snippet('python', 'http://x', 'a"b', 'hi')).toContain('model="a\\"b"')
  expect(snippet('javascript', 'http://x', 'a"b', 'hi')).toContain('model: "a\\"b"')
})
