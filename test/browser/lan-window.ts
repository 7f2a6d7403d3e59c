/** What a browser test stands on: a test LAN, the app on its desktop, and a Chromium that runs there too. */
import type { Browser } from 'playwright-core'
import { startDesktopApp } from '../e2e/desktop-app.ts'
import type { DesktopApp } from '../e2e/desktop-app.ts'
import { startLan } from '../lan/lan.ts'
import type { Lan } from '../lan/lan.ts'
import { findChromium, launch } from './pages.ts'

export interface LanWindow extends AsyncDisposable {
  readonly lan: Lan
  readonly app: DesktopApp
  readonly browser: Browser
}

/**
 * Starts all three; the window's address is `app.windowUrl` (its code lasts once). Chromium runs in the desktop's own
 * network, so it uses the address as it is printed. Throws when there is no Chromium or no built window.
 */
export async function openLanWindow(options: { hosts: number }): Promise<LanWindow> {
  const chromium = findChromium()
  if (chromium === undefined) throw new Error('There is no Chromium here: install one, or name it in LANYARD_CHROMIUM.')
  await using stack = new AsyncDisposableStack()
  const lan = stack.use(await startLan(options))
  const app = stack.use(await startDesktopApp(lan))
  if (app.windowUrl === '' || app.windowUrl === '-')
    throw new Error('The app serves no window: run `npm run build` first.')
  const browser = await launch(await lan.desktop.wrapper(chromium))
  stack.defer(() => browser.close())
  const owned = stack.move()
  return { lan, app, browser, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
