import { useEffect, useRef, useState } from 'react'
import { VList } from 'virtua'
import type { VListHandle } from 'virtua'
import { problemOf } from '../../electron/contract/errors.ts'
import type { Problem } from '../../electron/contract/errors.ts'
import type { LogLine } from '../../electron/contract/monitor.ts'
import { useWords } from '../i18n/index.ts'
import { rpc, useConnection } from '../state/connection.ts'
import { Button } from '../ui/button.tsx'
import { CopyButton } from '../ui/copy.tsx'
import { Segments, Select, TextField } from '../ui/field.tsx'
import { ProblemBox } from '../ui/pieces.tsx'
import styles from './monitor.module.css'

const levels = ['debug', 'info', 'warn', 'error'] as const
const everything = '*'
const refreshMs = 2000

/** The tail of what the app, its workers and ranks wrote; follows until paused. */
export function Logs() {
  const { t, f } = useWords()
  const [lines, setLines] = useState<readonly LogLine[]>([])
  const [problem, setProblem] = useState<Problem | null>(null)
  const [following, setFollowing] = useState(true)
  const [least, setLeast] = useState<LogLine['level']>('info')
  const [source, setSource] = useState(everything)
  const [search, setSearch] = useState('')
  const list = useRef<VListHandle>(null)
  const epoch = useConnection((c) => c.epoch)

  useEffect(() => {
    if (!following) return
    const stop = new AbortController()
    const load = async (): Promise<void> => {
      try {
        const tail = await rpc.call('log.tail', { lines: 500 }, { signal: stop.signal })
        if (stop.signal.aborted) return
        setLines(tail.lines)
        setProblem(null)
      } catch (error) {
        if (!stop.signal.aborted) setProblem(problemOf(error))
      }
    }
    void load()
    const timer = setInterval(() => void load(), refreshMs)
    return () => {
      clearInterval(timer)
      stop.abort()
    }
  }, [following, epoch])

  const shown = lines.filter(
    (l) =>
      levels.indexOf(l.level) >= levels.indexOf(least) &&
      (source === everything || l.source === source) &&
      (search === '' || l.text.toLowerCase().includes(search.toLowerCase())),
  )
  useEffect(() => {
    if (following && shown.length > 0) list.current?.scrollToIndex(shown.length - 1, { align: 'end' })
  }, [following, shown.length])
  const text = (l: LogLine): string => `${new Date(l.at).toISOString()} ${l.level} ${l.source} ${l.text}`

  return (
    <div className={styles.logs}>
      <div className={styles.filters}>
        <Segments
          label={t.monitor.level}
          value={least}
          onValue={(v) => setLeast(v)}
          choices={levels.map((value) => ({ value, label: t.monitor.levels[value] }))}
        />
        <div className={styles.source}>
          <Select
            label={t.monitor.source}
            value={source}
            onValue={setSource}
            choices={[
              { value: everything, label: t.monitor.allSources },
              ...[...new Set(lines.map((l) => l.source))].sort().map((value) => ({ value, label: value })),
            ]}
          />
        </div>
        <div className={styles.search}>
          <TextField label={t.monitor.search} value={search} onValue={setSearch} type="search" />
        </div>
        <Button size="small" aria-pressed={following} onClick={() => setFollowing(!following)}>
          {following ? t.monitor.pause : t.monitor.follow}
        </Button>
        <CopyButton withText text={shown.map(text).join('\n')} label={t.monitor.copyShown} />
      </div>
      {problem && <ProblemBox problem={problem} />}
      {shown.length === 0 ? (
        <p className={styles.noLines}>{lines.length === 0 ? t.monitor.noLines : t.monitor.noMatch}</p>
      ) : (
        <VList
          ref={list}
          data={shown}
          className={styles.lines}
          style={{ height: 'min(36rem, 62vh)' }}
          tabIndex={0}
          role="log"
          aria-label={t.monitor.tabs.logs}
          aria-live="off"
        >
          {(line, index) => (
            <div key={`${line.at}-${index}`} className={styles.line} data-level={line.level}>
              <time>{f.time(line.at)}</time>
              <b>{line.level}</b>
              <span>{line.source}</span>
              <code>{line.text}</code>
            </div>
          )}
        </VList>
      )}
    </div>
  )
}
