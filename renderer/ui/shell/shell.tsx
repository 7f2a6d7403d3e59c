import { Boxes, ChartSpline, CircleHelp, Code, MessagesSquare, Rocket, Server, Settings } from 'lucide-react'
import type { ReactNode } from 'react'
import { useEffect, useRef } from 'react'
import { Link, useLocation } from 'wouter'
import { useWords } from '../../i18n/index.ts'
import { ConnectionBanner } from './connection-banner.tsx'
import { Header } from './header.tsx'
import { Notices } from './notices.tsx'
import { Questions } from './questions.tsx'
import styles from './shell.module.css'

export const screens = ['chat', 'machines', 'models', 'deploy', 'api', 'monitor', 'help', 'settings'] as const
export type Screen = (typeof screens)[number]

const icons: Record<Screen, ReactNode> = {
  chat: <MessagesSquare />,
  machines: <Server />,
  models: <Boxes />,
  deploy: <Rocket />,
  api: <Code />,
  monitor: <ChartSpline />,
  help: <CircleHelp />,
  settings: <Settings />,
}

/** The frame of every screen: rail, header, banner, questions; `?` and Ctrl-1…8 work everywhere. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useWords()
  const [path, go] = useLocation()
  const main = useRef<HTMLElement>(null)
  const shown = screens.find((s) => path.split('/')[1] === s) ?? 'chat'

  useEffect(() => {
    document.title = `${t.screens[shown]} · Lanyard`
  }, [shown, t])

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
      const screen = event.key === ',' ? 'settings' : screens[Number(event.key) - 1]
      if (!screen) return
      event.preventDefault()
      go(`/${screen}`)
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [go])

  return (
    <div className={styles.shell}>
      <a
        className={styles.skip}
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        {t.shell.skip}
      </a>
      <nav className={styles.rail} aria-label={t.shell.navigation}>
        <div className={styles.brand}>
          <Mark />
          <span>Lanyard</span>
        </div>
        <ul>
          {screens.map((screen, index) => (
            <li key={screen} className={screen === 'help' ? styles.last : ''}>
              <Link
                href={`/${screen}`}
                className={styles.link}
                aria-current={screen === shown ? 'page' : undefined}
                aria-keyshortcuts={`Control+${index + 1}`}
                data-testid={`nav-${screen}`}
              >
                {icons[screen]}
                <span>{t.screens[screen]}</span>
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className={styles.side}>
        <Header />
        <ConnectionBanner />
        <main ref={main} id="main" tabIndex={-1} className={styles.main} data-screen={shown}>
          {children}
        </main>
      </div>
      <Questions />
      <Notices />
    </div>
  )
}

/** Two cords through one ring: machines tied into one. */
export function Mark() {
  return (
    <svg
      className={styles.mark}
      viewBox="0 0 32 32"
      fill="none"
      strokeLinecap="round"
      strokeWidth="3.2"
      aria-hidden="true"
    >
      <path stroke="var(--bar-kv)" d="M9 3c0 8.5 14 8 14 16" />
      <path stroke="var(--accent)" d="M23 3c0 8.5-14 8-14 16" />
      <circle cx="16" cy="24" r="5.2" stroke="var(--accent)" />
    </svg>
  )
}
