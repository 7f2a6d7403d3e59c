import { Code } from 'lucide-react'
import { useState } from 'react'
import { HelpNote } from '../help/help-note.tsx'
import { useWords } from '../i18n/index.ts'
import { answering } from '../state/answering.ts'
import { useApp } from '../state/connection.ts'
import { CopyButton } from '../ui/copy.tsx'
import { Field, Segments, Select } from '../ui/field.tsx'
import { Badge, Card, Empty, LinkButton, Page, Section } from '../ui/pieces.tsx'
import styles from './api.module.css'
import { baseUrl, snippet, snippetLanguages } from './snippets.ts'
import type { SnippetLanguage } from './snippets.ts'

/** Where OpenAI clients reach the deployments, and code that does. */
export function ApiScreen() {
  const { t } = useWords()
  const openai = useApp((s) => s.openai)
  const deployments = useApp((s) => s.deployments)
  const guide = useApp((s) => s.guide)
  const serving = answering({ deployments, guide })
  const [language, setLanguage] = useState<SnippetLanguage>('curl')
  const [chosen, setChosen] = useState<string | null>(null)
  const model = serving.find((d) => d.name === chosen) ?? serving[0]
  const url = openai.url === '' ? '' : baseUrl(openai.url)
  const code = model ? snippet(language, openai.url, model.name, model.isGuide ? t.api.guidePrompt : t.api.prompt) : ''
  return (
    <Page title={t.screens.api} lead={t.api.lead} testId="api">
      <Card>
        <div className={styles.address}>
          <div>
            <p className={styles.label}>{t.api.url}</p>
            <code className={styles.url} data-testid="api-url">
              {url || t.api.noUrl}
            </code>
          </div>
          {url && <CopyButton withText text={url} label={t.api.copyUrl} />}
          <Badge tone={openai.listening ? 'ok' : 'bad'}>
            {openai.listening ? t.api.listening : t.api.notListening}
          </Badge>
        </div>
        <p className={styles.soft}>{t.api.onlyHere}</p>
        <HelpNote about="api" />
      </Card>
      <Section title={t.api.try} note={t.api.tryNote}>
        {!model ? (
          <Empty icon={<Code />} title={t.api.noneTitle} text={t.api.noneText}>
            <LinkButton href="/deploy">{t.api.toDeploy}</LinkButton>
          </Empty>
        ) : (
          <Card className={styles.snippets}>
            <div className={styles.choices}>
              <Segments
                label={t.api.language}
                value={language}
                onValue={(v) => setLanguage(v)}
                choices={snippetLanguages.map((value) => ({ value, label: t.api.languages[value] }))}
              />
              {serving.length > 1 && (
                <Field label={t.api.model}>
                  {({ id }) => (
                    <Select
                      id={id}
                      label={t.api.model}
                      value={model.name}
                      onValue={setChosen}
                      choices={serving.map((d) => ({ value: d.name, label: d.name }))}
                    />
                  )}
                </Field>
              )}
              <CopyButton withText text={code} label={t.api.copyCode} />
            </div>
            <pre className={styles.code} tabIndex={0} data-testid="snippet">
              <code>{code}</code>
            </pre>
          </Card>
        )}
      </Section>
      <Section title={t.api.servedNames}>
        <Card>
          {serving.length === 0 ? (
            <p className={styles.soft}>{t.api.noneServed}</p>
          ) : (
            <ul className={styles.names}>
              {serving.map((d) => (
                <li key={d.name}>
                  <code>{d.name}</code>
                  <span className={styles.soft}>{d.isGuide ? t.chat.guideNote : d.modelName}</span>
                  <CopyButton text={d.name} label={t.api.copyName(d.name)} />
                </li>
              ))}
            </ul>
          )}
        </Card>
      </Section>
    </Page>
  )
}
