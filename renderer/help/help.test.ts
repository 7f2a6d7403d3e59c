import { describe, expect, test } from 'vitest'
import { en } from '../i18n/en.ts'
import { zhCN } from '../i18n/zh-cn.ts'
import { search, topicsIn } from './topics.ts'
import sources from './topics.json' with { type: 'json' }
import { suggestedTopics, topicOf } from './where.ts'

describe.each(['en', 'zh-CN'] as const)('help in %s', (language) => {
  const topics = topicsIn(language, sources)
  const messages = language === 'en' ? en : zhCN

  test('every topic that a screen shows or a chat suggests exists', () => {
    const ids = topics.map((topic) => topic.id)
    for (const id of [...Object.values(topicOf), ...suggestedTopics]) expect(ids).toContain(id)
  })

  test('every section is shown under a title, small talk is not', () => {
    const shown = new Set(topics.map((topic) => topic.section))
    for (const section of shown) expect(messages.help.sections[section].trim()).not.toBe('')
    const all = new Set(sources.map((source) => source.section))
    expect([...all].filter((section) => !(shown as Set<string>).has(section))).toEqual(['talk'])
    expect(topics.map((topic) => topic.id)).not.toContain('greeting')
  })

  test('a topic is found by words of its title and of its answer, in any order and case', () => {
    for (const topic of topics) {
      expect(search(topics, topic.title.toUpperCase())).toContain(topic)
      const words = topic.answer.split(/[\s，。：；、“”]+/).slice(0, 3)
      expect(search(topics, words.toReversed().join(' '))).toContain(topic)
    }
    expect(search(topics, 'zebra crossing')).toEqual([])
    expect(search(topics, '  ')).toEqual(topics)
  })
})
