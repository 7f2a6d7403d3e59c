/** Cutting a text at the tokens that are recognised by their surface form, before anything else is done to it. */
import type { SpecialRule } from './tokenizer.ts'

export interface SurfaceToken {
  content: string
  id: number
  /** only a template may write it */
  special: boolean
  /** swallow white space before, after */
  lstrip?: boolean
  rstrip?: boolean
  /** only between word borders */
  singleWord?: boolean
}

export type Section = { id: number } | { text: string; start: number }

const word = /[\p{L}\p{N}_]/u

/**
 * A function that cuts texts at `tokens`, leftmost first, the longest where several start; special ones only where
 * the rule allows.
 */
export function sectionsOf(tokens: SurfaceToken[]): (text: string, special: SpecialRule) => Section[] {
  const byFirst = new Map<string, SurfaceToken[]>()
  for (const token of tokens) {
    if (token.content === '') continue
    const list = byFirst.get(token.content[0]!) ?? []
    list.push(token)
    byFirst.set(token.content[0]!, list)
  }
  for (const list of byFirst.values()) list.sort((a, b) => b.content.length - a.content.length)

  const allowed = (token: SurfaceToken, at: number, special: SpecialRule) =>
    !token.special || (typeof special === 'boolean' ? special : special(at))
  const bordered = (token: SurfaceToken, text: string, at: number) => {
    if (!token.singleWord) return true
    return !word.test(text[at - 1] ?? '') && !word.test(text[at + token.content.length] ?? '')
  }

  return (text, special) => {
    const sections: Section[] = []
    let start = 0
    let at = 0
    const cut = (end: number) => {
      if (end > start) sections.push({ text: text.slice(start, end), start })
    }
    while (at < text.length) {
      const token = byFirst
        .get(text[at]!)
        ?.find(
          (candidate) =>
            text.startsWith(candidate.content, at) && allowed(candidate, at, special) && bordered(candidate, text, at),
        )
      if (!token) {
        at++
        continue
      }
      let end = at
      if (token.lstrip) while (end > start && /\s/.test(text[end - 1]!)) end--
      cut(end)
      sections.push({ id: token.id })
      at += token.content.length
      if (token.rstrip) while (at < text.length && /\s/.test(text[at]!)) at++
      start = at
    }
    cut(text.length)
    return sections
  }
}
