/**
 * The whole way of a person through the window: a first chat with the model that comes with the app, two machines, a
 * model over both, a chat, and nothing left behind.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import topics from '../../renderer/help/topics.json' with { type: 'json' }
import { fixtures, guideModel } from '../e2e/desktop-app.ts'
import { openLanWindow } from './lan-window.ts'
import type { LanWindow } from './lan-window.ts'
import {
  accessibilityViolations,
  apiScreen,
  chatScreen,
  deployScreen,
  machinesScreen,
  modelsScreen,
  monitorScreen,
  openWindow,
  screenNames,
  goTo,
} from './pages.ts'
import type { Window } from './pages.ts'

if (!fixtures)
  console.log('../shared/fixtures is not here: the browser journey adds a copy of the built-in model instead of qwen1.')

/** Serious and critical violations of the page as it is, in light and in dark. */
async function barriers(page: Page): Promise<string[]> {
  const found: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    const violations = await accessibilityViolations(page)
    found.push(
      ...violations.filter((line) => /\((serious|critical)\)/.test(line)).map((line) => `${colorScheme}: ${line}`),
    )
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  return found
}

/** Notes every state a rank shows from now on, by rank; ask for them with the function returned. */
async function watchRanks(page: Page): Promise<() => Promise<string[][]>> {
  await page.evaluate(() => {
    const seen: string[][] = []
    const look = (): void =>
      document.querySelectorAll('[data-testid=rank]').forEach((rank, at) => {
        const states = (seen[at] ??= [])
        const state = rank.getAttribute('data-state') ?? ''
        if (states.at(-1) !== state) states.push(state)
      })
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true })
    Object.assign(window, { rankStates: seen })
  })
  return () => page.evaluate(() => (window as unknown as { rankStates: string[][] }).rankStates)
}

/** Notes every length the text of the answer being written has from now on; ask for them with the function returned. */
async function watchAnswer(page: Page): Promise<() => Promise<number[]>> {
  await page.evaluate(() => {
    const seen: number[] = []
    const look = (): void => {
      const text = [...document.querySelectorAll('[data-testid=assistant-message][data-state=writing]')].at(-1)
      const length = text?.textContent.length ?? 0
      if (length > (seen.at(-1) ?? 0)) seen.push(length)
    }
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
    Object.assign(window, { answerLengths: seen })
  })
  return () => page.evaluate(() => (window as unknown as { answerLengths: number[] }).answerLengths)
}

const served = fixtures ? 'qwen1' : 'a copy of the built-in model (no ../shared)'

describe.runIf(guideModel ?? fixtures)(`a person with a browser serves ${served} on two machines`, () => {
  let all: LanWindow
  let window: Window
  let page: Page
  let folder: string
  let source: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lanyard-journey-'))
    source = fixtures ? path.join(fixtures, 'qwen1') : path.join(folder, 'copy')
    if (!fixtures) await cp(guideModel!, source, { recursive: true })
    all = await openLanWindow({ hosts: 2 })
    window = await openWindow(all.browser, all.app.windowUrl)
    page = window.page
    page.setDefaultTimeout(30_000)
  })
  afterAll(async () => {
    await window?.close()
    await all?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  test('the pairing address signs in and leaves no code in the address bar', async () => {
    await page.getByTestId('nav-machines').waitFor()
    expect(page.url()).not.toContain('code=')
  })

  test.runIf(guideModel)(
    'one click after the first screen, the built-in model answers, said to be what it is',
    async () => {
      const chat = chatScreen(page)
      await page.getByTestId('chat-empty').waitFor()
      expect(await page.getByTestId('guide-purpose').innerText()).toMatch(
        /tiny built-in model \(.* parameters, .*MiB\).*add a model for anything else/,
      )
      const suggestion = page.getByTestId('suggestion').first()
      const question = await suggestion.innerText()
      await suggestion.click()
      await chat.questions.filter({ hasText: question }).waitFor()
      const answer = await chat.answer()
      console.log(`  ${answer.replaceAll(/\s+/g, ' ')}`)
      expect(answer).toContain('Add machine')
    },
  )

  test('the help is found by its words, and its notes open where they stand', async () => {
    const { title, answer } = topics.find((topic) => topic.id === 'host-key-changed')!
    await goTo(page, 'help')
    await page.getByLabel('Search help').fill(title.en)
    const found = page.locator('[data-testid=help-topic][data-topic=host-key-changed]')
    await found.getByText(answer.en.slice(0, 40)).waitFor()
    await goTo(page, 'deploy')
    await page.getByTestId('help-note').locator('summary').first().click()
    await page.locator('[data-testid=help-note][open] p').filter({ hasText: /\w{3}/ }).first().waitFor()
  })

  test.runIf(guideModel)('the API screen’s snippet names what answers now', async () => {
    const api = apiScreen(page)
    await api.open()
    expect(await api.snippet()).toContain('"model":"guide"')
    const { code, stdout } = await all.lan.desktop.exec(`${await api.snippet()} --silent --fail`)
    expect(code).toBe(0)
    const { choices } = JSON.parse(stdout) as { choices: { message: { content: string } }[] }
    expect(choices[0]!.message.content.length).toBeGreaterThan(20)
  })

  test('empty screens have no barriers in light or dark', async () => {
    for (const screen of screenNames) {
      await goTo(page, screen)
      expect(await barriers(page), screen).toEqual([])
    }
  })

  test('two machines are added, each after its own fingerprint was shown and confirmed', async () => {
    const machines = machinesScreen(page)
    await machines.open()
    for (const host of all.lan.hosts) {
      await machines.startAdding(host.name)
      await page.getByTestId('host-key-fingerprint').waitFor()
      expect(await barriers(page), 'the host key question').toEqual([])
      expect(await machines.answerHostKey('remember')).toBe(await host.hostKeyFingerprint())
      await machines.waitUntilAdded()
      await machines.card(host.name).getByText('Ready', { exact: true }).first().waitFor()
    }
  })

  test('a model is added by the path of its folder', async () => {
    const models = modelsScreen(page)
    await models.open()
    await models.add(source, 'tiny')
    await models.row('tiny').waitFor()
  })

  test('it is deployed over both machines, every rank showing how it gets ready', async () => {
    const deploy = deployScreen(page)
    await deploy.open()
    await deploy.chooseModel('tiny')
    await deploy.chooseDevices(all.lan.hosts.map((host) => [host.name, 'CPU'] as const))
    const states = await watchRanks(page)
    await deploy.start()
    expect(await deploy.ranks.count()).toBe(2)
    for (const host of all.lan.hosts)
      await deploy.ranks.filter({ hasText: host.name }).and(page.locator('[data-state=ready]')).waitFor()
    const seen = await states()
    console.log(`  ranks went through ${seen.map((each) => each.join(' > ')).join('; ')}`)
    for (const each of seen) {
      expect(each.length).toBeGreaterThan(1)
      expect(each.at(-1)).toBe('ready')
    }
  })

  test('a question typed in Chat is answered piece by piece, and Stop ends an answer', async () => {
    const chat = chatScreen(page)
    await chat.open()
    await chat.newThread()
    await page.getByTestId('chat-empty').waitFor()
    await chat.chooseModel('tiny')
    const lengths = await watchAnswer(page)
    await chat.send('hello')
    expect((await chat.answer()).trim()).not.toBe('')
    const seen = await lengths()
    console.log(`  the answer was shown in ${seen.length} lengths, ${seen[0]} to ${seen.at(-1)} characters`)
    expect(seen.length).toBeGreaterThan(3)

    // Random weights may end an answer at any token, before Stop is pressed: then another one is asked for.
    let ended = ''
    for (let n = 1; n <= 4 && ended !== 'stopped'; n++) {
      // In a chat of its own: qwen1 has a context of 256 tokens, which one answer may fill.
      await chat.newThread()
      await page.getByTestId('chat-empty').waitFor()
      await chat.send(`again, ${n}`)
      await chat.questions.filter({ hasText: `again, ${n}` }).waitFor()
      await chat.stop().catch(() => undefined)
      await page.getByTestId('send').waitFor()
      ended = (await chat.answers.last().getAttribute('data-state')) ?? ''
    }
    expect(ended).toBe('stopped')
  })

  test('the monitor shows samples of both machines and of what they serve', async () => {
    const monitor = monitorScreen(page)
    await monitor.open()
    for (const title of ['CPU', 'Memory', 'Network', 'Requests']) await monitor.chart(title).first().waitFor()
    expect(await monitor.chart('CPU').count()).toBeGreaterThanOrEqual(3)
  })

  test('screens in use have no barriers in light or dark', async () => {
    for (const screen of screenNames) {
      await goTo(page, screen)
      expect(await barriers(page), screen).toEqual([])
    }
    await goTo(page, 'deploy')
    await page.getByTestId('deployment-card').filter({ hasText: 'tiny' }).getByRole('link').first().click()
    await page.getByTestId('deployment').waitFor()
    expect(await barriers(page), 'one deployment').toEqual([])
    await goTo(page, 'machines')
    await machinesScreen(page).card('host1').getByRole('link', { name: 'host1', exact: true }).click()
    await page.getByTestId('machine').waitFor()
    expect(await barriers(page), 'one machine').toEqual([])
  })

  test('the deployment stops, the machines are removed and nothing of Lanyard is left on them', async () => {
    await goTo(page, 'deploy')
    const tiny = page.getByTestId('deployment-card').filter({ hasText: 'tiny' })
    await tiny.getByTestId('stop-deployment').click()
    await tiny.getByTestId('stop-deployment').waitFor({ state: 'detached' })
    for (const host of all.lan.hosts) {
      await machinesScreen(page).remove(host.name)
      expect((await host.find(host.homePath)).toSorted()).toEqual([
        '/home/ada',
        '/home/ada/.ssh',
        '/home/ada/.ssh/authorized_keys',
      ])
      expect((await host.processes()).filter((each) => each.command.includes('.lanyard'))).toEqual([])
    }
  })

  test('the window met no error on the way', () => {
    expect(window.problems).toEqual([])
  })
})
