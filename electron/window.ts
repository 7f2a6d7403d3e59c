/** The desktop window: where its page comes from, what it may do, and the port that joins it to the app. */
import { readFile } from 'node:fs/promises'
import { BrowserWindow, ipcMain, protocol, shell } from 'electron'
import type { MessagePortMain, Session, WebContents } from 'electron'
import { findUiFile } from './ui-files.ts'
import {
  contentSecurityPolicy,
  externalLink,
  isTrustedSender,
  mayNavigate,
  mayUsePermission,
  portMessages,
  uiOrigin,
  uiScheme,
  webPreferences,
} from './window-policy.ts'

/** Must run before Electron is ready. */
export function registerUiScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: uiScheme, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ])
}

/** Serves `folder` at app://ui/ in this session and refuses permissions but the three in window-policy.ts. */
export function prepareSession(session: Session, folder: string): void {
  session.protocol.handle(uiScheme, async (request) => {
    const headers = {
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    }
    const url = new URL(request.url)
    const file = request.method === 'GET' && url.host === 'ui' ? await findUiFile(folder, url.pathname) : undefined
    if (!file) return new Response('Not found', { status: 404, headers })
    return new Response(await readFile(file.path), { headers: { ...headers, 'content-type': file.type } })
  })
  session.setPermissionRequestHandler((_contents, permission, answer, details) => {
    answer(mayUsePermission(permission, details.requestingUrl))
  })
  session.setPermissionCheckHandler((_contents, permission, origin) => mayUsePermission(permission, origin))
  session.setDevicePermissionHandler(() => false)
}

/** Hands every port that a window's page asks for to `attach`; a page that navigates away loses its ports. */
export function acceptPorts(attach: (port: MessagePortMain) => void): void {
  ipcMain.on(portMessages.port, (event) => {
    const frame = event.senderFrame
    const [port] = event.ports
    if (!port) return
    if (!isTrustedSender(frame && { url: frame.url, isMainFrame: frame === event.sender.mainFrame })) {
      port.close()
      return
    }
    const revoke = (details: { isMainFrame: boolean; isSameDocument: boolean }) => {
      if (details.isMainFrame && !details.isSameDocument) port.close()
    }
    event.sender.on('did-start-navigation', revoke)
    port.once('close', () => {
      if (!event.sender.isDestroyed()) event.sender.off('did-start-navigation', revoke)
    })
    attach(port)
  })
}

/** Locks every page there ever is to our own origin; links go to the user's browser. */
export function lockDown(contents: WebContents): void {
  const refuse = (event: { preventDefault: () => void; url: string }) => {
    if (!mayNavigate(event.url)) event.preventDefault()
  }
  contents.on('will-navigate', refuse)
  contents.on('will-redirect', refuse)
  contents.on('will-frame-navigate', refuse)
  contents.on('will-attach-webview', (event) => event.preventDefault())
  contents.setWindowOpenHandler(({ url }) => {
    const link = externalLink(url)
    if (link) void shell.openExternal(link)
    return { action: 'deny' }
  })
}

export interface WindowOptions {
  preload: string
  icon: string | undefined
  /** the page crashed again after it was loaded anew */
  onCrash: (window: BrowserWindow, reason: string) => void
}

export function openWindow({ preload, icon, onCrash }: WindowOptions): BrowserWindow {
  const window = new BrowserWindow({
    width: 1280,
    height: 820,
    minWidth: 720,
    minHeight: 480,
    show: false,
    title: 'Lanyard',
    autoHideMenuBar: true,
    ...(icon ? { icon } : {}),
    webPreferences: { ...webPreferences, preload },
  })
  window.once('ready-to-show', () => window.show())
  let crashes = 0
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit') return
    crashes += 1
    if (crashes === 1) window.webContents.reload()
    else onCrash(window, reason)
  })
  void window.loadURL(`${uiOrigin}/`)
  return window
}
