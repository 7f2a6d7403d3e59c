import { useEffect, useState } from 'react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../electron/contract/rpc/contract.ts'
import type { AppContract } from '../../electron/contract/app.ts'
import { useWords } from '../i18n/index.ts'
import { rpc, useConnection } from '../state/connection.ts'
import { showProblem } from '../state/notices.ts'
import { languages, motions, setPreference, textSizes, themes, usePreferences } from '../state/preferences.ts'
import { Button } from '../ui/button.tsx'
import { Segments } from '../ui/field.tsx'
import { Badge, Card, Facts, Page, Section } from '../ui/pieces.tsx'
import type { Tone } from '../ui/pieces.tsx'
import styles from './settings.module.css'

type Info = OutputOf<AppContract['app.info']>
type Checks = OutputOf<AppContract['app.doctor']>['checks']

const tones: Record<Checks[number]['result'], Tone> = { pass: 'ok', warn: 'warn', fail: 'bad' }

export function SettingsScreen() {
  const { t, f } = useWords()
  const preferences = usePreferences()
  const [info, setInfo] = useState<Info | null>(null)
  const [checks, setChecks] = useState<Checks | null>(null)
  const [checking, setChecking] = useState(false)
  const epoch = useConnection((c) => c.epoch)
  useEffect(() => {
    rpc.call('app.info', {}).then(setInfo, () => undefined)
  }, [epoch])
  const check = async (): Promise<void> => {
    setChecking(true)
    try {
      setChecks((await rpc.call('app.doctor', {})).checks)
    } catch (error) {
      showProblem(error)
    } finally {
      setChecking(false)
    }
  }
  return (
    <Page title={t.screens.settings} testId="settings">
      <Section title={t.settings.looks} note={t.settings.looksNote}>
        <Card>
          <Row name={t.settings.theme} text={t.settings.themeText}>
            <Segments
              label={t.settings.theme}
              value={preferences.theme}
              onValue={(v) => setPreference('theme', v)}
              choices={themes.map((value) => ({ value, label: t.settings.themes[value] }))}
            />
          </Row>
          <Row name={t.settings.language} text={t.settings.languageText}>
            <Segments
              label={t.settings.language}
              value={preferences.language}
              onValue={(v) => setPreference('language', v)}
              choices={languages.map((value) => ({ value, label: t.settings.languages[value] }))}
            />
          </Row>
          <Row name={t.settings.textSize} text={t.settings.textSizeText}>
            <Segments
              label={t.settings.textSize}
              value={preferences.textSize}
              onValue={(v) => setPreference('textSize', v)}
              choices={textSizes.map((value) => ({ value, label: t.settings.textSizes[value] }))}
            />
          </Row>
          <Row name={t.settings.motion} text={t.settings.motionText}>
            <Segments
              label={t.settings.motion}
              value={preferences.motion}
              onValue={(v) => setPreference('motion', v)}
              choices={motions.map((value) => ({ value, label: t.settings.motions[value] }))}
            />
          </Row>
        </Card>
      </Section>
      <Section title={t.settings.about}>
        <Card>
          {info && (
            <Facts
              rows={[
                [t.settings.version, info.version],
                [t.settings.home, <code key="home">{info.home}</code>],
                [t.settings.node, info.node],
                [t.settings.openai, info.openaiUrl],
                [t.settings.ui, info.uiUrl ?? t.common.none],
                [t.settings.process, String(info.pid)],
                [t.settings.started, f.dateTime(info.startedAt)],
              ]}
            />
          )}
        </Card>
      </Section>
      <Section
        title={t.settings.doctor}
        note={t.settings.doctorNote}
        actions={
          <Button onClick={() => void check()} blockedBy={checking ? t.settings.checking : ''}>
            {t.settings.check}
          </Button>
        }
      >
        {checks && (
          <Card>
            <ul className={styles.checks}>
              {checks.map((c) => (
                <li key={c.name}>
                  <Badge tone={tones[c.result]}>{t.settings.results[c.result]}</Badge>
                  <div>
                    <strong>{c.name}</strong>
                    <p>{c.detail}</p>
                    {c.fix && c.result !== 'pass' && <p className={styles.fix}>{c.fix}</p>}
                  </div>
                </li>
              ))}
            </ul>
          </Card>
        )}
      </Section>
      <Section title={t.settings.keys}>
        <Card>
          <dl className={styles.keys}>
            {t.settings.keyList.split('\n').map((line) => {
              const [key, what] = line.split('|')
              return (
                <div key={line}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              )
            })}
          </dl>
        </Card>
      </Section>
    </Page>
  )
}

function Row({ name, text, children }: { name: string; text: string; children: ReactNode }) {
  return (
    <div className={styles.row}>
      <div>
        <strong>{name}</strong>
        <p>{text}</p>
      </div>
      {children}
    </div>
  )
}
