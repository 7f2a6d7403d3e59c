/**
 * The window as a person uses it, for browser tests: one small object per screen, found by role, label and test id.
 * Waits are on what is shown, never on time.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'

const candidates = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
]

/** The Chromium of this computer (or `LANYARD_CHROMIUM`); undefined when there is none. */
export function findChromium(): string | undefined {
  const named = process.env['LANYARD_CHROMIUM']
  return named ?? candidates.find((path) => existsSync(path))
}

/** Sandboxing needs user namespaces, which root in a container does not have. */
export async function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] })
}

export interface Window {
  page: Page
  /** what went wrong in the page: exceptions, console errors, refused resources */
  problems: string[]
  close(): Promise<void>
}

/** A fresh browser profile at `url` (a pairing address signs it in), in English and light unless said otherwise. */
export async function openWindow(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Window> {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 860 },
    locale: 'en-US',
    colorScheme: 'light',
    ...options,
  })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text())
  })
  await page.goto(url)
  return { page, problems, close: () => context.close() }
}

export const screenNames = ['chat', 'machines', 'models', 'deploy', 'api', 'monitor', 'help', 'settings'] as const
export type ScreenName = (typeof screenNames)[number]

export async function goTo(page: Page, screen: ScreenName): Promise<void> {
  await page.getByTestId(`nav-${screen}`).click()
  await page.getByTestId(screen).waitFor()
}

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

/** Accessibility violations on the page as it is now, one line each. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  // Through the debugger, because the content policy allows no script that is not the app's own.
  const { readFile } = await import('node:fs/promises')
  await page.evaluate(await readFile(axePath, 'utf8'))
  return page.evaluate(async () => {
    interface Violation {
      id: string
      impact: string
      nodes: { html: string }[]
    }
    const axe = (
      window as unknown as { axe: { run(root: Document, options: object): Promise<{ violations: Violation[] }> } }
    ).axe
    const { violations } = await axe.run(document, { resultTypes: ['violations'] })
    return violations.map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`)
  })
}

/** Machines: cards, the add dialog with its checklist, the host key question. */
export function machinesScreen(page: Page) {
  const dialog = page.getByRole('dialog')
  return {
    open: () => goTo(page, 'machines'),
    card: (name: string): Locator =>
      page.getByTestId('machine-card').filter({ has: page.getByRole('heading', { name, exact: true }) }),
    found: (name: string): Locator => page.getByTestId('found-machine').filter({ hasText: name }),
    async startAdding(
      address: string,
      more: { name?: string; identity?: string; password?: string } = {},
    ): Promise<void> {
      await page.getByTestId('add-machine').click()
      await dialog.getByLabel('Address').fill(address)
      if (more.name ?? more.identity ?? more.password) await dialog.getByText('Name, key file, password').click()
      if (more.name) await dialog.getByLabel('Name', { exact: true }).fill(more.name)
      if (more.identity) await dialog.getByLabel('Key file').fill(more.identity)
      if (more.password) await dialog.getByLabel('Password').fill(more.password)
      await page.getByTestId('add-machine-submit').click()
    },
    /** the steps in the open dialog; `data-state` tells how they ended */
    steps: dialog.getByTestId('job-steps'),
    async waitUntilAdded(timeout = 60_000): Promise<void> {
      await dialog.locator('[data-testid=job-steps][data-state=done]').waitFor({ timeout })
      await page.getByTestId('add-machine-close').click()
    },
    /** the checklist's error, once it failed */
    async failure(timeout = 60_000): Promise<string> {
      const failed = dialog.locator('[data-testid=job-steps][data-state=failed]')
      await failed.waitFor({ timeout })
      return failed.innerText()
    },
    /** answers the host key question and returns the fingerprint shown */
    async answerHostKey(answer: 'remember' | 'once' | 'cancel', timeout = 30_000): Promise<string> {
      const question = page.locator('[data-testid=question][data-kind=host-key]')
      await question.waitFor({ timeout })
      const fingerprint = await page.getByTestId('host-key-fingerprint').innerText()
      await page.getByTestId(`host-key-${answer}`).click()
      await question.waitFor({ state: 'detached' })
      return fingerprint
    },
    async scan(subnet?: string, timeout = 60_000): Promise<string> {
      await page.getByTestId('scan').click()
      if (subnet) await dialog.getByLabel('Subnet').fill(subnet)
      await page.getByTestId('scan-start').click()
      const report = page.getByTestId('scan-report')
      await report.waitFor({ timeout })
      return report.innerText()
    },
    async remove(name: string, timeout = 60_000): Promise<void> {
      await this.open()
      await this.card(name).getByRole('link', { name, exact: true }).click()
      await page.getByTestId('remove-machine').click()
      await page
        .getByRole('alertdialog')
        .getByRole('button', { name: /^(Remove|Forget it)$/ })
        .click()
      await this.card(name).waitFor({ state: 'detached', timeout })
    },
  }
}

/** Models: the library. */
export function modelsScreen(page: Page) {
  return {
    open: () => goTo(page, 'models'),
    row: (name: string): Locator => page.getByTestId('model-row').filter({ has: page.getByRole('heading', { name }) }),
    async add(path: string, name?: string): Promise<void> {
      await page.getByTestId('add-model').first().click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel('Folder').fill(path)
      if (name) await dialog.getByLabel('Name', { exact: true }).fill(name)
      await page.getByTestId('add-model-submit').click()
      await dialog.waitFor({ state: 'detached' })
    },
    deploy: (name: string): Promise<void> =>
      page.getByRole('group', { name, exact: true }).getByTestId('deploy-model').click(),
  }
}

/** Deploy: the form with its live plan, and the page of one deployment. */
export function deployScreen(page: Page) {
  return {
    open: () => goTo(page, 'deploy'),
    plan: page.getByTestId('plan'),
    device: (machine: string, device: string): Locator =>
      page.getByRole('checkbox', { name: `${machine} ${device}`, exact: true }),
    async chooseModel(name: string): Promise<void> {
      await page.getByRole('combobox', { name: 'Model', exact: true }).click()
      await page.getByRole('option', { name }).click()
    },
    /** exactly these devices: `['gpu-1', 'GPU 0']`, `['node-a', 'CPU', 2]` for two ranks on a CPU */
    async chooseDevices(
      devices: readonly (readonly [machine: string, device: string, ranks?: number])[],
    ): Promise<void> {
      const boxes = page.getByTestId('deploy-machine').getByRole('checkbox')
      for (const box of await boxes.all()) await box.uncheck()
      for (const [machine, device, ranks = 1] of devices) {
        await this.device(machine, device).check()
        const more = page
          .getByRole('group', { name: `Ranks on ${machine} ${device}` })
          .getByRole('button', { name: 'One rank more' })
        for (let n = 1; n < ranks; n++) await more.click()
      }
    },
    servedName: (name: string): Promise<void> => page.getByLabel('Served name').fill(name),
    /** starts once the plan fits, and waits until it serves */
    async start(timeout = 120_000): Promise<void> {
      await page.locator('[data-testid=plan][data-fits=true]').waitFor()
      await page.locator('[data-testid=start-deployment]:not([aria-disabled])').click()
      await page.getByTestId('deployment').waitFor()
      await page.locator('[data-testid=deployment-status][data-state=serving]').waitFor({ timeout })
    },
    ranks: page.getByTestId('rank'),
    async stop(): Promise<void> {
      await page.getByTestId('deployment').getByTestId('stop-deployment').click()
      await page.getByTestId('deploy').waitFor()
    },
  }
}

/** Chat: sending, waiting for the end, versions. */
export function chatScreen(page: Page) {
  return {
    open: () => goTo(page, 'chat'),
    newThread: (): Promise<void> => page.getByTestId('new-thread').click(),
    input: page.getByLabel('Message', { exact: true }),
    answers: page.getByTestId('assistant-message'),
    questions: page.getByTestId('user-message'),
    threads: page.getByTestId('thread'),
    async chooseModel(name: string): Promise<void> {
      await page.getByRole('combobox', { name: 'Model', exact: true }).click()
      await page.getByRole('option', { name }).click()
    },
    /** types and presses Enter */
    async send(text: string): Promise<void> {
      await this.input.fill(text)
      await this.input.press('Enter')
      await page.getByTestId('stop').waitFor()
    },
    /** the last answer's text, when it is complete */
    async answer(timeout = 60_000): Promise<string> {
      await page.getByTestId('stop').waitFor({ state: 'detached', timeout })
      return this.answers.last().innerText()
    },
    async ask(text: string, timeout = 60_000): Promise<string> {
      await this.send(text)
      return this.answer(timeout)
    },
    stop: (): Promise<void> => page.getByTestId('stop').click(),
    async editLast(text: string): Promise<void> {
      const message = this.questions.last()
      await message.hover()
      await message.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Edit message').fill(text)
      await message.getByRole('button', { name: 'Send' }).click()
    },
    async regenerate(): Promise<void> {
      const message = this.answers.last()
      await message.hover()
      await message.getByRole('button', { name: 'Answer again' }).click()
    },
    versions: page.getByTestId('branches'),
  }
}

/** The API screen's address and snippet. */
export function apiScreen(page: Page) {
  return {
    open: () => goTo(page, 'api'),
    url: (): Promise<string> => page.getByTestId('api-url').innerText(),
    snippet: (): Promise<string> => page.getByTestId('snippet').innerText(),
  }
}

/** The monitor's charts. */
export function monitorScreen(page: Page) {
  return {
    open: () => goTo(page, 'monitor'),
    chart: (title: string): Locator => page.getByTestId('chart').filter({ hasText: title }),
  }
}

export async function setTheme(page: Page, theme: 'System' | 'Light' | 'Dark' | 'High contrast'): Promise<void> {
  await goTo(page, 'settings')
  await page.getByText(theme, { exact: true }).first().click()
}
