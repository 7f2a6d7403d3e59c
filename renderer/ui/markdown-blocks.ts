/**
 * Markdown that grows: finished blocks are rendered once and frozen, only the last block is parsed again.
 * A block is what markdown-it calls one (a list, a fence, a paragraph), so nothing is guessed from blank lines.
 */
import createMarkdownIt from 'markdown-it'
import type { Env, MarkdownIt } from 'markdown-it'

export interface Block {
  /** position in the source: the same block keeps its key while text grows */
  key: number
  html: string
}

export interface BlockLabels {
  copy: string
  wrap: string
  image: string
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** HTML in the source is shown as text; links are only http(s) and mailto; pictures from the network become links. */
export function createMarkdown(labels: BlockLabels): MarkdownIt {
  const md = createMarkdownIt({ html: false, linkify: false, breaks: false })
  md.validateLink = (url) => /^(https?:|mailto:)/i.test(url.trim())
  md.renderer.rules['fence'] = (tokens, index) => {
    const token = tokens[index]!
    const language = token.info.trim().split(/\s+/)[0] ?? ''
    return codeBlock(token.content, language, labels)
  }
  md.renderer.rules['code_block'] = (tokens, index) => codeBlock(tokens[index]!.content, '', labels)
  md.renderer.rules['image'] = (tokens, index) => {
    const token = tokens[index]!
    const source = escapeHtml(String(token.attrGet('src') ?? ''))
    return `<a href="${source}">${escapeHtml(token.content || labels.image)}</a>`
  }
  md.renderer.rules['table_open'] = () => '<div class="md-table" tabindex="0" role="group"><table>'
  md.renderer.rules['table_close'] = () => '</table></div>'
  return md
}

function codeBlock(content: string, language: string, labels: BlockLabels): string {
  return (
    `<div class="md-code"><div class="md-code-head"><span>${escapeHtml(language)}</span>` +
    `<span><button type="button" data-md="wrap">${escapeHtml(labels.wrap)}</button>` +
    `<button type="button" data-md="copy">${escapeHtml(labels.copy)}</button></span></div>` +
    `<pre tabindex="0"><code>${escapeHtml(content)}</code></pre></div>\n`
  )
}

export interface BlockStream {
  /** all blocks of `text`; text that continues the last one costs only its unfinished end */
  update(text: string): readonly Block[]
  /** characters parsed so far, for tests: shows that finished text is not parsed again */
  readonly parsed: number
}

/** `clean` gets each block's HTML once before it is kept (sanitising). */
export function createBlockStream(md: MarkdownIt, clean: (html: string) => string): BlockStream {
  let source = ''
  let frozen: Block[] = []
  /** start of the part that may still change */
  let tail = 0
  let env: Env = {}
  let parsed = 0
  let shown: readonly Block[] = []

  return {
    get parsed() {
      return parsed
    },
    update(text) {
      if (text === source) return shown
      if (!text.startsWith(source.slice(0, tail))) {
        frozen = []
        tail = 0
        env = {}
      }
      source = text
      const part = text.slice(tail)
      parsed += part.length
      const tokens = md.parse(part, env)
      const lineStarts = [0]
      for (let at = part.indexOf('\n'); at >= 0; at = part.indexOf('\n', at + 1)) lineStarts.push(at + 1)
      // Top-level blocks: a token of level 0 that opens something (nesting 1) or stands alone (nesting 0).
      const starts = tokens.flatMap((token, index) =>
        token.level === 0 && token.nesting >= 0 && token.map ? [{ index, line: token.map[0] }] : [],
      )
      const base = tail
      const blocks = starts.map(({ index, line }, n) => ({
        key: base + (lineStarts[line] ?? 0),
        html: clean(md.renderer.render(tokens.slice(index, starts[n + 1]?.index ?? tokens.length), md.options, env)),
      }))
      shown = [...frozen, ...blocks]
      // While the last block's first line is not whole it may yet belong to the block before: "2" becomes "2. two".
      const lastKey = blocks.at(-1)?.key ?? tail
      const open = text.includes('\n', lastKey) ? 1 : 2
      const done = blocks.slice(0, -open)
      if (done.length > 0) {
        frozen = [...frozen, ...done]
        tail = blocks[done.length]!.key
      }
      return shown
    },
  }
}

/** A reasoning model's thoughts and its answer: text before `</think>` is folded away. */
export function splitReasoning(text: string): { thoughts: string; answer: string; open: boolean } {
  const start = /^\s*<think>/.exec(text)
  if (!start) return { thoughts: '', answer: text, open: false }
  const body = text.slice(start[0].length)
  const end = body.indexOf('</think>')
  return end < 0
    ? { thoughts: body.trim(), answer: '', open: true }
    : { thoughts: body.slice(0, end).trim(), answer: body.slice(end + '</think>'.length).trimStart(), open: false }
}
