import { X } from 'lucide-react'
import { useWords } from '../../i18n/index.ts'
import { dismissNotice, useNotices } from '../../state/notices.ts'
import { IconButton } from '../button.tsx'
import { ProblemBox } from '../pieces.tsx'
import styles from './notices.module.css'

/** What an action of the user ran into: stays until dismissed. */
export function Notices() {
  const { t } = useWords()
  const { notices } = useNotices()
  return (
    <div className={styles.notices} role="alert" aria-label={t.shell.notices}>
      {notices.map(({ id, problem }) => (
        <div key={id} className={styles.notice} data-testid="notice">
          <ProblemBox problem={problem} />
          <IconButton label={t.common.dismiss} onClick={() => dismissNotice(id)}>
            <X />
          </IconButton>
        </div>
      ))}
    </div>
  )
}
