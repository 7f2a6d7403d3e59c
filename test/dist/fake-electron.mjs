// Stands in for Electron's own module, so that the packaged main.mjs runs under Node: the test copies it to where
// `import 'electron'` finds it. When the app opens its window, this plays the page: it fetches app://ui/, asks for a
// port as a trusted frame and as a foreign one, calls app.info over it, asks the built-in model at the OpenAI port, prints
// what it saw as JSON, and quits.
import { EventEmitter } from 'node:events'
import path from 'node:path'
import process from 'node:process'
import { MessageChannel } from 'node:worker_threads'

const seen = { sandbox: false, schemes: [], permissions: {}, windows: [], foreignPortClosed: false }
const handlers = {}

class App extends EventEmitter {
  isPackaged = true
  setPath() {}
  requestSingleInstanceLock = () => true
  enableSandbox() {
    seen.sandbox = true
  }
  whenReady = () => Promise.resolve()
  getAppPath = () => process.env.FAKE_APP_PATH
  exit = (status) => process.exit(status)
  quit() {
    let held = false
    this.emit('before-quit', { preventDefault: () => (held = true) })
    if (held) return
    console.log(JSON.stringify(seen))
    process.exit(0)
  }
}

export const app = new App()
export const ipcMain = new EventEmitter()
export const protocol = {
  registerSchemesAsPrivileged: (schemes) => (seen.schemes = schemes.map((each) => each.scheme)),
}
export const shell = { openExternal: async () => {} }
export const dialog = {
  showMessageBoxSync: () => 0,
  showErrorBox: (title, text) => console.error(`${title}: ${text}`),
}
export const Menu = { setApplicationMenu() {}, buildFromTemplate: () => ({}) }
export class Tray extends EventEmitter {}
export class Notification {
  static isSupported = () => false
}
export const session = {
  defaultSession: {
    protocol: { handle: (scheme, handler) => (handlers[scheme] = handler) },
    setPermissionRequestHandler: (handler) => (handlers.permission = handler),
    setPermissionCheckHandler() {},
    setDevicePermissionHandler() {},
  },
}

export class BrowserWindow extends EventEmitter {
  webContents = Object.assign(new EventEmitter(), {
    isDestroyed: () => false,
    setWindowOpenHandler: (handler) => (seen.newWindow = handler({ url: 'file:///etc/passwd' }).action),
  })
  constructor(options) {
    super()
    const { preload, ...webPreferences } = options.webPreferences
    seen.windows.push({ preload: path.relative(app.getAppPath(), preload), webPreferences })
    app.emit('web-contents-created', {}, this.webContents)
  }
  isMinimized = () => false
  focus() {}
  show() {}
  async loadURL(url) {
    await playPage(this, url)
  }
}

async function playPage(window, url) {
  const page = await handlers.app(new Request(url))
  seen.page = { status: page.status, policy: page.headers.get('content-security-policy'), text: await page.text() }
  const outside = await handlers.app(new Request('app://ui/%2e%2e/%2e%2e/package.json'))
  seen.outside = outside.status
  for (const permission of ['media', 'notifications']) {
    handlers.permission(null, permission, (granted) => (seen.permissions[permission] = granted), { requestingUrl: url })
  }
  const foreign = askForPort(window, { url: 'https://example.com/' }, false)
  foreign.on('close', () => (seen.foreignPortClosed = true))
  const frame = { url }
  const port = askForPort(window, frame, true)
  port.on('message', async (text) => {
    const { id, result } = JSON.parse(text)
    if (id !== 1) return
    seen.info = result
    seen.reply = await askGuide(result.openaiUrl)
    const navigate = { preventDefault: () => (seen.navigationRefused = true), url: 'https://example.com/' }
    window.webContents.emit('will-navigate', navigate)
    port.on('close', () => setImmediate(() => app.quit()))
    window.webContents.emit('did-start-navigation', { isMainFrame: true, isSameDocument: false })
  })
  port.postMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'app.info', params: { input: {} } }))
}

async function askGuide(url) {
  const messages = [{ role: 'user', content: 'How do I add a machine?' }]
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'guide', messages, temperature: 0, max_tokens: 64 }),
  })
  const body = await response.json()
  return { status: response.status, text: body.choices?.[0].message.content ?? JSON.stringify(body) }
}

function askForPort(window, frame, isMain) {
  const { port1, port2 } = new MessageChannel()
  window.webContents.mainFrame = isMain ? frame : {}
  ipcMain.emit('lanyard-port', { senderFrame: frame, sender: window.webContents, ports: [port2] })
  return port1
}
