/** The language shown: messages and figures, for components (`useWords`) and for code outside them (`words`). */
import { useMemo } from 'react'
import { create } from 'zustand'
import { usePreferences } from '../state/preferences.ts'
import { en } from './en.ts'
import { createFormat } from './format.ts'
import type { Format } from './format.ts'
import type { Messages } from './messages.ts'

export type Language = 'en' | 'zh-CN'

interface Loaded {
  language: Language
  messages: Messages
}
const useLoaded = create<Loaded>(() => ({ language: 'en', messages: en }))

/** The language for a preference: `system` takes the browser's first one that we have. */
export function resolveLanguage(preference: 'system' | Language, systemLanguages: readonly string[]): Language {
  if (preference !== 'system') return preference
  for (const language of systemLanguages) {
    if (language.toLowerCase().startsWith('zh')) return 'zh-CN'
    if (language.toLowerCase().startsWith('en')) return 'en'
  }
  return 'en'
}

async function load(language: Language): Promise<void> {
  const messages = language === 'en' ? en : (await import('./zh-cn.ts')).zhCN
  document.documentElement.lang = language
  useLoaded.setState({ language, messages })
}

/** Loads the chosen language and follows the preference. Resolves when the first one is there. */
export async function startLanguage(): Promise<void> {
  const wanted = (): Language => resolveLanguage(usePreferences.getState().language, navigator.languages)
  let shown = wanted()
  usePreferences.subscribe(() => {
    const next = wanted()
    if (next !== shown) {
      shown = next
      void load(next)
    }
  })
  await load(shown)
}

export interface Words {
  t: Messages
  f: Format
}

export function useWords(): Words {
  const { language, messages } = useLoaded()
  return useMemo(() => ({ t: messages, f: createFormat(language) }), [language, messages])
}

export function useLanguage(): Language {
  return useLoaded((l) => l.language)
}
