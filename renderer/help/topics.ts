/**
 * The help texts: `topics.json` is the one source of what the window shows and what the built-in guide learned, so the
 * two cannot contradict each other. Loaded when first needed: it is no part of the first screen's script.
 */
import { useEffect, useState } from 'react'
import { useLanguage } from '../i18n/index.ts'
import type { Language } from '../i18n/index.ts'
import type { Messages } from '../i18n/messages.ts'

interface BothLanguages {
  en: string
  zh: string
}
/** one entry of `topics.json` */
export interface TopicSource {
  id: string
  section: string
  title: BothLanguages
  answer: BothLanguages
}
export type Section = keyof Messages['help']['sections']
/** a topic in one language */
export interface Topic {
  id: string
  section: Section
  title: string
  answer: string
}

/** The sections as the screen shows them. `talk` is left out: greetings are for the guide alone. */
export const sections = [
  'about',
  'machines',
  'models',
  'deploy',
  'chat',
  'api',
  'monitor',
  'trouble',
  'privacy',
  'usage',
] as const satisfies readonly Section[]

/** Topics of the shown sections, in the sections' order. */
export function topicsIn(language: Language, sources: readonly TopicSource[]): Topic[] {
  const key = language === 'zh-CN' ? 'zh' : 'en'
  return sections.flatMap((section) =>
    sources
      .filter((source) => source.section === section)
      .map(({ id, title, answer }) => ({ id, section, title: title[key], answer: answer[key] })),
  )
}

/** Topics with every word of the search in them. Chinese needs no spaces: a word is what stands between them. */
export function search(topics: readonly Topic[], wanted: string): Topic[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean)
  const has = (text: string): boolean => words.every((word) => text.includes(word))
  return topics.filter((topic) => has(`${topic.title}\n${topic.answer}`.toLowerCase()))
}

/** null until they are loaded */
export function useTopics(): Topic[] | null {
  const language = useLanguage()
  const [sources, setSources] = useState<readonly TopicSource[] | null>(null)
  useEffect(() => {
    let wanted = true
    void import('./topics.json').then(({ default: loaded }) => {
      if (wanted) setSources(loaded)
    })
    return () => {
      wanted = false
    }
  }, [])
  return sources && topicsIn(language, sources)
}
