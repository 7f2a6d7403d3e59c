import DOMPurify from 'dompurify'
import type { MouseEvent } from 'react'
import { memo, useMemo } from 'react'
import { useWords } from '../i18n/index.ts'
import { copyText } from './copy.tsx'
import { createBlockStream, createMarkdown } from './markdown-blocks.ts'
import styles from './markdown.module.css'

/** The second lock behind `html: false`; links open outside the app. */
const purifier = DOMPurify()
purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank')
    node.setAttribute('rel', 'noopener noreferrer')
  }
})

function clean(html: string): string {
  return purifier.sanitize(html, {
    FORBID_TAGS: ['img', 'style', 'form', 'input'],
    FORBID_ATTR: ['style'],
    ADD_ATTR: ['target'],
  })
}

const BlockView = memo(function BlockView({ html }: { html: string }) {
  return <div dangerouslySetInnerHTML={{ __html: html }} />
})

/** An answer: Markdown that may still grow. */
export function Markdown({ text }: { text: string }) {
  const { t } = useWords()
  const stream = useMemo(
    () =>
      createBlockStream(createMarkdown({ copy: t.common.copy, wrap: t.chat.wrapCode, image: t.chat.picture }), clean),
    [t],
  )
  const blocks = stream.update(text)
  const onClick = (event: MouseEvent<HTMLDivElement>): void => {
    const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>('button[data-md]') : null
    const box = button?.closest('.md-code')
    if (!button || !box) return
    if (button.dataset['md'] === 'wrap') {
      button.setAttribute('aria-pressed', String(box.classList.toggle('md-wrapped')))
    } else {
      void copyText(box.querySelector('code')?.textContent ?? '').then((done) => {
        button.textContent = done ? t.common.copied : t.common.copyFailed
        setTimeout(() => {
          button.textContent = t.common.copy
        }, 1600)
      })
    }
  }
  // The click handler serves the real buttons inside; it adds no action of its own.
  return (
    <div className={styles.markdown} onClick={onClick}>
      {blocks.map((b) => (
        <BlockView key={b.key} html={b.html} />
      ))}
    </div>
  )
}
