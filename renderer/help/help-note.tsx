import { CircleHelp } from 'lucide-react'
import { useState } from 'react'
import { useWords } from '../i18n/index.ts'
import styles from './help.module.css'
import { useTopics } from './topics.ts'
import { topicOf } from './where.ts'
import type { Place } from './where.ts'

/** A help text where its question comes up, folded: it opens in place, so it works in dialogs too. */
export function HelpNote({ about }: { about: Place }) {
  const { t } = useWords()
  const [open, setOpen] = useState(false)
  return (
    <details
      className={styles.note}
      onToggle={(event) => setOpen(event.currentTarget.open)}
      data-testid="help-note"
      data-topic={topicOf[about]}
    >
      <summary>
        <CircleHelp aria-hidden="true" />
        {t.help.notes[about]}
      </summary>
      {open && <Answer id={topicOf[about]} />}
    </details>
  )
}

function Answer({ id }: { id: string }) {
  const topic = useTopics()?.find((each) => each.id === id)
  return <p>{topic?.answer}</p>
}
