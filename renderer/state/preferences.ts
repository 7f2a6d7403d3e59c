/** What this window remembers for its user: looks and language. Kept in localStorage, applied to the document at once. */
import { create } from 'zustand'

export const themes = ['system', 'light', 'dark', 'contrast'] as const
export const languages = ['system', 'en', 'zh-CN'] as const
export const textSizes = ['small', 'normal', 'large', 'larger'] as const
export const motions = ['system', 'reduce'] as const

export interface Preferences {
  theme: (typeof themes)[number]
  language: (typeof languages)[number]
  textSize: (typeof textSizes)[number]
  motion: (typeof motions)[number]
  machinesAs: 'cards' | 'table'
  chatParametersOpen: boolean
}

const key = 'lanyard.preferences'
const defaults: Preferences = {
  theme: 'system',
  language: 'system',
  textSize: 'normal',
  motion: 'system',
  machinesAs: 'cards',
  chatParametersOpen: false,
}

/** Stored text as preferences: unknown or invalid values fall back to the default, row by row. */
export function parsePreferences(text: string | null): Preferences {
  let stored: Record<string, unknown> = {}
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value === 'object' && value !== null) stored = value as Record<string, unknown>
  } catch {
    stored = {}
  }
  const one = <T extends string>(name: string, allowed: readonly T[], fallback: T): T =>
    allowed.find((a) => a === stored[name]) ?? fallback
  return {
    theme: one('theme', themes, defaults.theme),
    language: one('language', languages, defaults.language),
    textSize: one('textSize', textSizes, defaults.textSize),
    motion: one('motion', motions, defaults.motion),
    machinesAs: one('machinesAs', ['cards', 'table'], defaults.machinesAs),
    chatParametersOpen: stored['chatParametersOpen'] === true,
  }
}

function read(): Preferences {
  return parsePreferences(typeof localStorage === 'undefined' ? null : localStorage.getItem(key))
}

export const usePreferences = create<Preferences>(() => read())

export function setPreference<K extends keyof Preferences>(name: K, value: Preferences[K]): void {
  usePreferences.setState({ [name]: value } as Pick<Preferences, K>)
  localStorage.setItem(key, JSON.stringify(usePreferences.getState()))
}

/** Puts the preferences on the document and keeps them there, also when another window changes them. */
export function applyPreferences(): void {
  const apply = (p: Preferences): void => {
    const { dataset } = document.documentElement
    dataset['theme'] = p.theme
    dataset['size'] = p.textSize
    dataset['motion'] = p.motion
  }
  apply(usePreferences.getState())
  usePreferences.subscribe(apply)
  addEventListener('storage', (event) => {
    if (event.key === key) usePreferences.setState(read())
  })
}
