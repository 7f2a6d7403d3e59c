import { describe, expect, test } from 'vitest'
import topics from './topics.json' with { type: 'json' }

const sections = [
  'about',
  'machines',
  'models',
  'deploy',
  'api',
  'chat',
  'monitor',
  'trouble',
  'privacy',
  'usage',
  'talk',
]

describe('the help texts', () => {
  test('every topic has an id of its own, a known section and both languages', () => {
    expect(new Set(topics.map((topic) => topic.id)).size).toBe(topics.length)
    for (const topic of topics) {
      expect(topic.id).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(sections).toContain(topic.section)
      for (const text of [topic.title.en, topic.title.zh, topic.answer.en, topic.answer.zh])
        expect(text.trim()).toBe(text)
      expect(topic.title.zh + topic.answer.zh).toMatch(/\p{Script=Han}/u)
      expect(topic.title.en + topic.answer.en).not.toMatch(/\p{Script=Han}/u)
    }
  })

  test('answers stay short enough to be read, and for the small model to learn', () => {
    for (const topic of topics) {
      expect(topic.answer.en.split(/\s+/).length, topic.id).toBeLessThanOrEqual(60)
      expect(topic.answer.zh.length, topic.id).toBeLessThanOrEqual(140)
    }
  })

  test('no answer is another one’s beginning, so that each can be told from its text', () => {
    for (const language of ['en', 'zh'] as const) {
      const answers = topics.map((topic) => topic.answer[language])
      for (const a of answers) expect(answers.filter((b) => b.startsWith(a))).toEqual([a])
    }
  })
})
