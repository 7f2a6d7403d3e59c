import type { ReactNode } from 'react'
import { lazy, Suspense, useEffect, useState } from 'react'
import { Redirect, Route, Router, Switch } from 'wouter'
import { useHashLocation } from 'wouter/use-hash-location'
import { useWords } from './i18n/index.ts'
import { useConnection, useLive } from './state/connection.ts'
import { Pairing } from './ui/shell/pairing.tsx'
import { Shell } from './ui/shell/shell.tsx'
import { ScreenGuard } from './ui/shell/screen-guard.tsx'
import { Starting } from './ui/shell/starting.tsx'
import { TipProvider } from './ui/tip.tsx'

const ChatScreen = lazy(async () => ({ default: (await import('./chat/chat-screen.tsx')).ChatScreen }))
const MachinesScreen = lazy(async () => ({ default: (await import('./machines/machines-screen.tsx')).MachinesScreen }))
const MachineScreen = lazy(async () => ({ default: (await import('./machines/machine-screen.tsx')).MachineScreen }))
const ModelsScreen = lazy(async () => ({ default: (await import('./models/models-screen.tsx')).ModelsScreen }))
const DeployScreen = lazy(async () => ({ default: (await import('./deploy/deploy-screen.tsx')).DeployScreen }))
const DeploymentScreen = lazy(async () => ({
  default: (await import('./deploy/deployment-screen.tsx')).DeploymentScreen,
}))
const ApiScreen = lazy(async () => ({ default: (await import('./api/api-screen.tsx')).ApiScreen }))
const MonitorScreen = lazy(async () => ({ default: (await import('./monitor/monitor-screen.tsx')).MonitorScreen }))
const HelpScreen = lazy(async () => ({ default: (await import('./help/help-screen.tsx')).HelpScreen }))
const SettingsScreen = lazy(async () => ({ default: (await import('./settings/settings-screen.tsx')).SettingsScreen }))

export function App() {
  return (
    <TipProvider>
      <Window />
    </TipProvider>
  )
}

/** What there is to show: the pairing form, the wait for the first state, or the screens. */
function Window() {
  const { t } = useWords()
  const status = useConnection((c) => c.status)
  const known = useLive((l) => l.state !== null)
  const slow = useLater(400)
  if (status === 'unpaired') return <Pairing />
  // Nothing is drawn for the first moments, so that a quick start does not flicker.
  if (!known) return slow ? <Starting away={status === 'away'} /> : null
  return (
    <Router hook={useHashLocation}>
      <Shell>
        <Guarded>
          <Suspense
            fallback={
              <p className="visually-hidden" role="status">
                {t.common.loading}
              </p>
            }
          >
            <Switch>
              <Route path="/chat/:id?">{({ id }) => <ChatScreen threadId={id ?? null} />}</Route>
              <Route path="/machines">
                <MachinesScreen />
              </Route>
              <Route path="/machines/:name">{({ name }) => <MachineScreen key={name} name={nameIn(name)} />}</Route>
              <Route path="/models">
                <ModelsScreen />
              </Route>
              <Route path="/deploy">
                <DeployScreen />
              </Route>
              <Route path="/deploy/:name">{({ name }) => <DeploymentScreen name={nameIn(name)} />}</Route>
              <Route path="/api">
                <ApiScreen />
              </Route>
              <Route path="/monitor">
                <MonitorScreen />
              </Route>
              <Route path="/help/:topic?">{({ topic }) => <HelpScreen shown={topic ?? null} />}</Route>
              <Route path="/settings">
                <SettingsScreen />
              </Route>
              <Route>
                <Redirect to="/chat" />
              </Route>
            </Switch>
          </Suspense>
        </Guarded>
      </Shell>
    </Router>
  )
}

/** A new guard for every screen: leaving a broken one is enough. */
function Guarded({ children }: { children: ReactNode }) {
  const [path] = useHashLocation()
  return <ScreenGuard key={path.split('/')[1]}>{children}</ScreenGuard>
}

/** A name in an address: the router may have decoded it already, and a name may hold a percent sign. */
function nameIn(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function useLater(ms: number): boolean {
  const [later, setLater] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLater(true), ms)
    return () => clearTimeout(timer)
  }, [ms])
  return later
}
