/**
 * Takes the pictures of the README: `node test/browser/screenshots.ts`, after `npm run build`. Two machines of the test
 * LAN serve the built-in model, and what the pictures show is what it says; each screen is shown light and dark.
 */
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { fixtures } from '../e2e/desktop-app.ts'
import { openLanWindow } from './lan-window.ts'
import { chatScreen, deployScreen, goTo, machinesScreen, modelsScreen, monitorScreen, openWindow } from './pages.ts'

const folder = path.join(import.meta.dirname, '..', '..', 'build', 'screenshots')
/** README pictures are fetched by every reader. */
const limitBytes = 200_000

await mkdir(folder, { recursive: true })
await using all = await openLanWindow({ hosts: 2 })
const { page } = await openWindow(all.browser, all.app.windowUrl, { viewport: { width: 1280, height: 800 } })
await page.emulateMedia({ reducedMotion: 'reduce' })

async function take(name: string): Promise<void> {
  await page.mouse.move(0, 0)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    const file = path.join(folder, `${name}-${colorScheme}.png`)
    await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' })
    const { size } = await stat(file)
    console.log(`${path.relative(process.cwd(), file)}  ${(size / 1000).toFixed(0)} kB`)
    if (size > limitBytes) throw new Error(`${file} has ${size} bytes, more than ${limitBytes}`)
  }
}

const chat = chatScreen(page)
await page.getByTestId('chat-empty').waitFor()
await page.getByTestId('suggestion').first().waitFor()
await take('start')
await goTo(page, 'help')
await page.getByLabel('Search help').fill('slower')
await page.getByTestId('help-topic').first().waitFor()
await take('help')

const machines = machinesScreen(page)
await machines.open()
for (const host of all.lan.hosts) {
  await machines.startAdding(host.name)
  await machines.answerHostKey('remember')
  await machines.waitUntilAdded()
  await machines.card(host.name).getByText('Ready', { exact: true }).first().waitFor()
}
const models = modelsScreen(page)
await models.open()
if (fixtures)
  for (const [model, name] of [
    ['qwen1', 'qwen'],
    ['llama', 'llama'],
    ['mistral', 'mistral'],
  ] as const)
    await models.add(path.join(fixtures, model), name)
await take('models')

const deploy = deployScreen(page)
await deploy.open()
await deploy.chooseModel('Lanyard Guide')
await deploy.chooseDevices(all.lan.hosts.map((host) => [host.name, 'CPU'] as const))
await page.locator('[data-testid=plan][data-fits=true]').waitFor()
await take('deploy')
await deploy.start()

await chat.open()
// Greedy: the same every time.
await page.getByRole('button', { name: 'Show parameters' }).click()
await page.getByLabel('Temperature').fill('0')
await page.getByRole('button', { name: 'Hide parameters' }).click()
await chat.ask('Why can two machines be slower than one?')
await chat.ask('什么会离开我的电脑？')
await take('chat')

await machines.open()
await take('machines')

const monitor = monitorScreen(page)
await monitor.open()
await monitor.chart('CPU').nth(2).waitFor()
// a line needs some points: more load, then look
await chat.open()
await chat.newThread()
await chat.ask('How do I add a machine?')
await goTo(page, 'monitor')
await monitor.chart('CPU').nth(2).waitFor()
await take('monitor')
