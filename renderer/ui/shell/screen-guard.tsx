import { Component } from 'react'
import type { ReactNode } from 'react'
import { useWords } from '../../i18n/index.ts'
import { Button } from '../button.tsx'
import { Page, ProblemBox } from '../pieces.tsx'

interface GuardProps {
  children: ReactNode
}

/** A screen that breaks leaves the rest of the window usable. React offers this to classes only. */
export class ScreenGuard extends Component<GuardProps, { error: Error | null }> {
  override state: { error: Error | null } = { error: null }

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }

  override render(): ReactNode {
    return this.state.error ? <Broken message={this.state.error.message} /> : this.props.children
  }
}

/** Most often the app was updated while its window was open, and a part of the old window is gone. */
function Broken({ message }: { message: string }) {
  const { t } = useWords()
  return (
    <Page title={t.shell.brokenTitle}>
      <ProblemBox problem={{ code: 'internal', message, hint: t.shell.brokenHint }}>
        <p>
          <Button size="small" onClick={() => location.reload()}>
            {t.shell.reload}
          </Button>
        </p>
      </ProblemBox>
    </Page>
  )
}
