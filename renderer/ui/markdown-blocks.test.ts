import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlockStream, createMarkdown, splitReasoning } from './markdown-blocks.ts'

const labels = { copy: 'Copy', wrap: 'Wrap', image: 'picture' }
const make = (): ReturnType<typeof createBlockStream> => createBlockStream(createMarkdown(labels), (html) => html)
const whole = (text: string): string =>
  make()
    .update(text)
    .map((b) => b.html)
    .join('')

const sample = `# Title

First paragraph
goes on.

1. one

2. two with

   a second paragraph
3. three

\`\`\`js
const a = 1

const b = '<b>'
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

> quoted

end`

describe('growing Markdown', () => {
  test('gives the same HTML however it arrives, piece by piece or at once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(sample.length), { maxLength: 30 }), (cuts) => {
        const stream = make()
        let blocks = stream.update('')
        for (const cut of [...cuts.sort((a, b) => a - b), sample.length]) blocks = stream.update(sample.slice(0, cut))
        expect(blocks.map((b) => b.html).join('')).toBe(whole(sample))
      }),
      { numRuns: 200 },
    )
  })

  test('freezes finished blocks: the same objects come back while the last one grows', () => {
    const stream = make()
    const first = stream.update('One.\n\nTwo.\n\nThree,\nfo')
    const second = stream.update('One.\n\nTwo.\n\nThree,\nfour.')
    expect(second).toHaveLength(3)
    expect(second[0]).toBe(first[0])
    expect(second[1]).toBe(first[1])
    expect(second[2]!.key).toBe(first[2]!.key)
  })

  test('parses a long answer in proportion to its length, not to its square', () => {
    const paragraphs = Array.from({ length: 200 }, (_, i) => `Paragraph ${i} says something of ordinary length here.`)
    const stream = make()
    let text = ''
    for (const p of paragraphs) stream.update((text += `${p}\n\n`))
    // Each paragraph is parsed when it comes and once more as the unfinished end.
    expect(stream.parsed).toBeLessThan(text.length * 3)
  })

  test('keeps a loose list together across blank lines', () => {
    const list = make().update('1. one\n\n2. two\n\n3. three\n')
    expect(list).toHaveLength(1)
    expect(list[0]!.html.match(/<li>/g)).toHaveLength(3)
  })

  test('starts over when the text is another one', () => {
    const stream = make()
    stream.update('One.\n\nTwo.')
    expect(
      stream
        .update('Other.')
        .map((b) => b.html)
        .join(''),
    ).toBe('<p>Other.</p>\n')
  })

  test('shows HTML as text and never links to scripts', () => {
    const html = whole('<img src=x onerror=alert(1)>\n\n[a](javascript:alert(1)) ![p](https://x.test/a.png)')
    expect(html).not.toContain('<img')
    expect(html).not.toContain('href="javascript')
    expect(html).toContain('<a href="https://x.test/a.png">p</a>')
  })

  test('escapes code and names its language', () => {
    expect(whole('```html\n<b>&\n```')).toContain('<code>&lt;b&gt;&amp;\n</code>')
    expect(whole('```html\nx\n```')).toContain('<span>html</span>')
  })
})

describe('reasoning', () => {
  test('is told apart from the answer, also while it is still open', () => {
    expect(splitReasoning('Hello')).toEqual({ thoughts: '', answer: 'Hello', open: false })
    expect(splitReasoning('<think>hm')).toEqual({ thoughts: 'hm', answer: '', open: true })
    expect(splitReasoning('<think>\nhm\n</think>\n\nYes.')).toEqual({ thoughts: 'hm', answer: 'Yes.', open: false })
  })
})
