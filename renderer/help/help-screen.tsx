import { MessageCircleQuestion, SearchX } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { chooseModel } from '../chat/use-model.ts'
import { useWords } from '../i18n/index.ts'
import { answering } from '../state/answering.ts'
import type { Answering } from '../state/answering.ts'
import { useApp } from '../state/connection.ts'
import { writeDraft } from '../state/drafts.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'
import { Markdown } from '../ui/markdown.tsx'
import { Empty, Page, Section } from '../ui/pieces.tsx'
import styles from './help.module.css'
import { search, useTopics } from './topics.ts'
import type { Topic } from './topics.ts'

/** A search that leaves so few shows their answers at once. */
const fewTopics = 3

/** The help texts, searchable; `shown` is the topic that a link elsewhere led to. */
export function HelpScreen({ shown }: { shown: string | null }) {
  const { t } = useWords()
  const topics = useTopics()
  const deployments = useApp((s) => s.deployments)
  const state = useApp((s) => s.guide)
  const guide = answering({ deployments, guide: state }).find((each) => each.isGuide) ?? null
  const [wanted, setWanted] = useState('')
  const searching = wanted.trim() !== ''
  const found = topics && search(topics, wanted)
  return (
    <Page title={t.screens.help} lead={t.help.lead} testId="help">
      <div className={styles.search}>
        <TextField
          label={t.help.search}
          type="search"
          value={wanted}
          onValue={setWanted}
          placeholder={t.help.searchPlaceholder}
        />
        <p role="status" className={styles.count}>
          {found && searching && t.help.found(found.length)}
        </p>
      </div>
      {found?.length === 0 && <Empty icon={<SearchX />} title={t.help.nothingTitle} text={t.help.nothingText} />}
      {found &&
        [...Map.groupBy(found, (topic) => topic.section)].map(([section, group]) => (
          <Section key={section} title={t.help.sections[section]}>
            <ul className={styles.topics}>
              {group.map((topic) => (
                <li key={topic.id}>
                  <TopicView
                    topic={topic}
                    led={topic.id === shown}
                    open={searching && found.length <= fewTopics}
                    guide={guide}
                  />
                </li>
              ))}
            </ul>
          </Section>
        ))}
    </Page>
  )
}

interface TopicViewProps {
  topic: Topic
  /** a link led here: open and in sight */
  led: boolean
  open: boolean
  guide: Answering | null
}

function TopicView({ topic, led, open, guide }: TopicViewProps) {
  const { t } = useWords()
  const [, go] = useLocation()
  const [opened, setOpened] = useState(false)
  const own = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    if (!led) return
    setOpened(true)
    own.current?.scrollIntoView({ block: 'center' })
  }, [led])
  return (
    <details
      ref={own}
      className={styles.topic}
      open={opened || open}
      onToggle={(event) => setOpened(event.currentTarget.open)}
      data-testid="help-topic"
      data-topic={topic.id}
    >
      <summary>{topic.title}</summary>
      <div className={styles.answer}>
        <Markdown text={topic.answer} />
        {guide && (
          <Button
            size="small"
            look="quiet"
            icon={<MessageCircleQuestion />}
            onClick={() => {
              chooseModel(guide.name)
              writeDraft('new', topic.title)
              go('/chat')
            }}
          >
            {t.help.askGuide}
          </Button>
        )}
      </div>
    </details>
  )
}
