/**
 * Text of people inside a chat template. A template writes special tokens (`<|im_end|>`) as text; a message may
 * contain the same text, and must not become the token. So every character of a message with which a special
 * token could start is swapped for a private-use character before rendering, and swapped back after, when its
 * place in the rendered text is remembered as one where no special token may start. Lengths do not change, and
 * texts without special tokens are not touched at all, so templates that look into contents still work.
 */

export interface Rendered {
  text: string
  /** whether a special token may start at this place */
  special: (at: number) => boolean
}

export interface Guard {
  /** a copy of `value` in which all strings, at any depth, are guarded */
  protect<T>(value: T): T
  /** the rendered text as it should be */
  restore(rendered: string): Rendered
}

const privateUse = { first: 0xe000, last: 0xf8ff }

/** Private-use characters that `texts` does not contain. */
function unusedCharacters(count: number, texts: string): string[] {
  const found: string[] = []
  for (let code = privateUse.first; code <= privateUse.last && found.length < count; code++) {
    const character = String.fromCharCode(code)
    if (!texts.includes(character)) found.push(character)
  }
  return found
}

/**
 * @param specials surface forms of the special tokens
 * @param texts everything that will be rendered, template included, as one string: what stands in it cannot stand in
 *   for something else
 */
export function guardOf(specials: Iterable<string>, texts: string): Guard {
  const forms = [...specials].filter((form) => form !== '')
  const firsts = [...new Set(forms.map((form) => form[0]!))]
  const substitutes = unusedCharacters(firsts.length, texts)
  const toPrivate = new Map(firsts.map((first, i) => [first, substitutes[i]!]))
  const back = new Map(firsts.map((first, i) => [substitutes[i]!, first]))
  const byFirst = Map.groupBy(forms, (form) => form[0]!)
  const anyFirst = new RegExp(`[${firsts.map((first) => first.replace(/[\\\]^-]/, '\\$&')).join('')}]`, 'g')

  const protectText = (text: string): string =>
    firsts.length === 0
      ? text
      : text.replace(anyFirst, (first, at: number) => {
          // A form that the text's end cuts off counts too: the next text could complete it.
          const starts = byFirst
            .get(first)!
            .some(
              (form) =>
                text.startsWith(form, at) || (form.length > text.length - at && form.startsWith(text.slice(at))),
            )
          return starts ? toPrivate.get(first)! : first
        })
  const protect = (value: unknown): unknown => {
    if (typeof value === 'string') return protectText(value)
    if (Array.isArray(value)) return value.map(protect)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [protectText(key), protect(inner)]))
  }
  return {
    protect: <T>(value: T) => protect(value) as T,
    restore(rendered) {
      const forbidden = new Set<number>()
      let text = ''
      let from = 0
      for (let at = 0; at < rendered.length; at++) {
        const original = back.get(rendered[at]!)
        if (original === undefined) continue
        text += rendered.slice(from, at) + original
        from = at + 1
        forbidden.add(at)
      }
      return { text: text + rendered.slice(from), special: (at) => !forbidden.has(at) }
    },
  }
}
