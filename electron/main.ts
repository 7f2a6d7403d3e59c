/** Lanyard with a window: Electron's life around the app. Everything the app does is in app.ts. */
import path from 'node:path'
import { app as electron, BrowserWindow, dialog, Menu, session } from 'electron'
import { applyPatches, enablePatches } from 'immer'
import { createApp } from './app.ts'
import type { App } from './app.ts'
import { afterLastWindow, quitQuestion, servingNames } from './closing.ts'
import { appContract } from './contract/app.ts'
import { problemOf } from './contract/errors.ts'
import { channelConnection, memoryPair, portChannel } from './contract/rpc/message-transport.ts'
import { connect } from './contract/rpc/peer.ts'
import type { AppState } from './contract/state.ts'
import { parseStartArguments } from './headless.ts'
import { lanyardHome } from './store/home.ts'
import { createServingTray } from './tray.ts'
import { acceptPorts, lockDown, openWindow, prepareSession, registerUiScheme } from './window.ts'

const home = lanyardHome()
// Electron's own files lie in Lanyard's folder too, and the lock below is per folder: one app per LANYARD_HOME.
electron.setPath('userData', path.join(home, 'window'))
if (!electron.requestSingleInstanceLock()) {
  electron.exit(0)
} else {
  electron.enableSandbox()
  registerUiScheme()
  electron.on('web-contents-created', (_event, contents) => lockDown(contents))
  void electron.whenReady().then(run).catch(fail)
}

async function run(): Promise<void> {
  const root = electron.getAppPath()
  const built = path.join(root, 'dist')
  const icon = path.join(root, 'build', 'icons', '256x256.png')
  const args = process.argv
    .slice(electron.isPackaged ? 1 : 2)
    .filter((each) => each.startsWith('--') && !isChromiumSwitch(each))
  const app = await createApp({
    home,
    root,
    renderer: null,
    resourcesPath: electron.isPackaged ? process.resourcesPath : null,
    ...parseStartArguments(args),
    onStop: () => electron.quit(),
  })

  let state: Pick<AppState, 'deployments'> = { deployments: [] }
  let window: BrowserWindow | undefined
  const open = () => {
    if (!window) {
      window = openWindow({ preload: path.join(built, 'app', 'preload.cjs'), icon, onCrash: askAfterCrash })
      window.once('closed', () => {
        window = undefined
      })
    }
    if (window.isMinimized()) window.restore()
    window.focus()
  }
  const tray = createServingTray(path.join(root, 'build', 'icons', '32x32.png'), {
    open,
    quit: () => electron.quit(),
  })
  watchState(app, (now) => {
    state = now
    tray.show(servingNames(now))
  })

  prepareSession(session.defaultSession, path.join(built, 'renderer'))
  acceptPorts((port) => app.attach(portChannel(port)))
  electron.on('second-instance', open)
  electron.on('activate', open)
  electron.on('window-all-closed', () => {
    if (afterLastWindow(state, process.platform) === 'quit') electron.quit()
    else tray.sayStillRunning()
  })
  closeBeforeQuitting(app, () => quitQuestion(state))
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([{ role: 'appMenu' }, { role: 'editMenu' }, { role: 'viewMenu' }, { role: 'windowMenu' }]),
  )
  open()
}

/** The window's own view of the state, through the contract like any other client's. */
function watchState(app: App, onState: (state: AppState) => void): void {
  enablePatches()
  const [ours, theirs] = memoryPair()
  app.attach(theirs)
  let state: AppState | undefined
  const client = connect(channelConnection(ours), appContract)
  client
    .stream('state.watch', {}, (event) => {
      if (event.kind === 'whole') state = event.state
      else if (state) state = applyPatches(state, event.patches)
      if (state) onState(state)
    })
    .catch((error: unknown) =>
      process.stderr.write(`The state of the app is no longer shown: ${problemOf(error).message}\n`),
    )
}

/** Electron waits for nothing by itself: the first quit is held up until the app has closed. */
function closeBeforeQuitting(app: App, question: () => string | undefined): void {
  let phase: 'running' | 'closing' | 'closed' = 'running'
  electron.on('before-quit', (event) => {
    if (phase === 'closed') return
    event.preventDefault()
    if (phase === 'closing') return
    const message = question()
    if (
      message &&
      dialog.showMessageBoxSync({
        type: 'question',
        message,
        buttons: ['Quit', 'Cancel'],
        defaultId: 1,
        cancelId: 1,
      }) === 1
    )
      return
    phase = 'closing'
    void app.close().finally(() => {
      phase = 'closed'
      electron.quit()
    })
  })
}

function askAfterCrash(window: BrowserWindow, reason: string): void {
  const options = {
    type: 'error' as const,
    message: 'The window crashed twice.',
    detail: `Reason: ${reason}. Served models go on.`,
    buttons: ['Load again', 'Close window'],
  }
  if (dialog.showMessageBoxSync(options) === 0) window.webContents.reload()
  else window.destroy()
}

function fail(error: unknown): void {
  const { message, hint } = problemOf(error)
  dialog.showErrorBox('Lanyard could not start', hint ? `${message}\n\n${hint}` : message)
  electron.exit(1)
}

/** Switches that Electron and Chromium take from the same command line. */
function isChromiumSwitch(argument: string): boolean {
  return !/^--(ui-port|openai-port|no-discovery)\b/.test(argument)
}
