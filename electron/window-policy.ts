/**
 * What the window and its page may do: pure rules, the same for Electron and for a browser where both apply.
 * `main.ts` applies them; nothing here imports electron. Sources: Electron's security checklist, points 1 to 17.
 */

/** Where the desktop window's page comes from. */
export const uiScheme = 'app'
export const uiOrigin = `${uiScheme}://ui`

/**
 * Content policy of every page and file of the window, by header, in Electron and headless alike. `'self'` in
 * connect-src covers the WebSocket of the own host. Inline styles: what formulas and highlighted code bring along.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** webPreferences of every window; `preload` is added by main.ts. */
export const webPreferences = {
  contextIsolation: true,
  sandbox: true,
  nodeIntegration: false,
  nodeIntegrationInWorker: false,
  nodeIntegrationInSubFrames: false,
  webSecurity: true,
  allowRunningInsecureContent: false,
  experimentalFeatures: false,
  webviewTag: false,
  navigateOnDragDrop: false,
  safeDialogs: true,
  spellcheck: false,
} as const

/** Messages between window, preload and main. The renderer asks for a port with the first and gets the second. */
export const portMessages = { request: 'lanyard-port-please', port: 'lanyard-port' } as const

/** True for a page of ours. Compares the parsed origin: `app://ui.example` and `app://ui@example` are not ours. */
export function isOwnPage(url: string): boolean {
  const parsed = parse(url)
  // Node and Chromium give non-special schemes an opaque origin, so scheme and host are compared.
  return parsed !== undefined && parsed.protocol === `${uiScheme}:` && parsed.host === 'ui' && parsed.username === ''
}

/** May a window, or a frame in it, go to `url`? Only within our own page. */
export function mayNavigate(url: string): boolean {
  return isOwnPage(url)
}

/**
 * What to open in the user's browser for a link in the window: the re-serialised address of an https: or mailto:
 * link, undefined for anything else (file:, javascript:, app:, vendor schemes, credentials in the address).
 */
export function externalLink(url: string): string | undefined {
  const parsed = parse(url)
  if (!parsed || (parsed.protocol !== 'https:' && parsed.protocol !== 'mailto:')) return undefined
  return parsed.username === '' && parsed.password === '' ? parsed.href : undefined
}

const permissions = new Set(['clipboard-sanitized-write', 'notifications', 'fullscreen'])

/** Electron grants every permission unless asked; Lanyard grants these three to its own page. */
export function mayUsePermission(permission: string, pageUrl: string): boolean {
  return permissions.has(permission) && isOwnPage(pageUrl)
}

/** The frame a message to main came from. Electron gives null for a frame that is gone. */
export interface Sender {
  url: string
  isMainFrame: boolean
}

/** Only the main frame of our own page gets a port to the app. */
export function isTrustedSender(sender: Sender | null): boolean {
  return sender !== null && sender.isMainFrame && isOwnPage(sender.url)
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined
}
