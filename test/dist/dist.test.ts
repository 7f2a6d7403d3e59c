/** The package that `npm run dist -- --dir` makes: what is in it, that it runs, and that its worker is the one sent out. */
import { extractAll, extractFile, listPackage } from '@electron/asar'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentAddress } from '../../build/worker-bundle.ts'
import { locateGuideModel } from '../../electron/guide-model.ts'
import { contentSecurityPolicy, webPreferences } from '../../electron/window-policy.ts'
import { locateWorkerBundle } from '../../electron/worker-bundle.ts'

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '..', '..')
const unpacked = path.join(root, 'dist', 'packages', 'linux-unpacked')
const resourcesPath = path.join(unpacked, 'resources')
const asar = path.join(resourcesPath, 'app.asar')
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')

/** null in a checkout without the model in the box */
const guideModel = locateGuideModel({ root })

let folder = ''

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'lanyard-dist-'))
  await run(process.execPath, [path.join(root, 'build', 'start.mjs'), 'dist', '--dir'], { cwd: root })
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the archive', () => {
  test('holds the bundled app, the built window, its icons and nothing from development', () => {
    const files = listPackage(asar, { isPack: false }).filter((file) => path.extname(file) !== '')
    expect(files).toEqual(
      expect.arrayContaining([
        '/package.json',
        '/dist/app/main.mjs',
        '/dist/app/preload.cjs',
        '/dist/renderer/index.html',
        '/build/icons/32x32.png',
      ]),
    )
    const strange = files.filter(
      (file) => !/^\/(package\.json|dist\/(app|renderer)\/|build\/icons\/\d+x\d+\.png$)/.test(file),
    )
    expect(strange).toEqual([])
    expect(files.filter((file) => /\.(tsx?|map|test\.\w+|node|log)$|node_modules/.test(file))).toEqual([])
  })

  test('names its entry, and no script and no development package', () => {
    const manifest = JSON.parse(extractFile(asar, 'package.json').toString('utf8')) as Record<string, unknown>
    expect(manifest).toMatchObject({ name: 'lanyard', main: 'dist/app/main.mjs', license: 'Apache-2.0' })
    expect(Object.keys(manifest)).not.toContain('devDependencies')
    expect(Object.keys(manifest)).not.toContain('scripts')
  })

  test('holds no path of the computer it was made on', () => {
    for (const file of ['dist/app/main.mjs', 'dist/app/preload.cjs']) {
      expect(extractFile(asar, file).includes(root)).toBe(false)
    }
  })
})

describe('beside the archive', () => {
  test('lies the worker bundle, byte for byte the one in dist/worker', () => {
    expect(readdirSync(resourcesPath).sort()).toEqual(['app.asar', ...(guideModel ? ['guide'] : []), 'worker'])
    const own = path.join(root, 'dist', 'worker', 'linux-x64')
    const packed = path.join(resourcesPath, 'worker', 'linux-x64')
    expect(readdirSync(packed).sort()).toEqual(readdirSync(own).sort())
    for (const file of readdirSync(own)) {
      expect([file, sha256(path.join(packed, file))]).toEqual([file, sha256(path.join(own, file))])
      expect(statSync(path.join(packed, file)).mode).toBe(statSync(path.join(own, file)).mode)
    }
  })

  test.runIf(guideModel)('lies the built-in model, byte for byte the one in the checkout', () => {
    const [own, packed] = [guideModel!, locateGuideModel({ resourcesPath, root })!]
    expect(packed).toBe(path.join(resourcesPath, 'guide'))
    expect(readdirSync(packed).sort()).toEqual(readdirSync(own).sort())
    for (const file of readdirSync(own))
      expect([file, sha256(path.join(packed, file))]).toEqual([file, sha256(path.join(own, file))])
  })

  test('the packaged app sends that bundle, a checkout its own, and the list in it is true', () => {
    const packaged = locateWorkerBundle({ resourcesPath, root }, 'linux-x64')
    expect(packaged.folder).toBe(path.join(resourcesPath, 'worker', 'linux-x64'))
    expect(locateWorkerBundle({ root }, 'linux-x64').folder).toBe(path.join(root, 'dist', 'worker', 'linux-x64'))
    for (const file of packaged.manifest.files) {
      expect([file.path, file.sha256]).toEqual([file.path, sha256(path.join(packaged.folder, file.path))])
    }
    expect(packaged.manifest.files.map((file) => file.path)).toEqual([
      'lanyard-worker',
      'lanyard_engine.node',
      'node',
      'worker.mjs',
    ])
    expect(packaged.manifest.archive.sha256).toBe(sha256(packaged.archive))
    expect(packaged.manifest.hash).toBe(contentAddress(packaged.manifest.files))
  })

  test('what the archive for machines unpacks to is what the list says', async () => {
    const { archive, manifest } = locateWorkerBundle({ resourcesPath, root }, 'linux-x64')
    const there = path.join(folder, 'unpacked')
    mkdirSync(there)
    await run('tar', ['-xzf', archive, '-C', there])
    expect(readdirSync(there).sort()).toEqual(manifest.files.map((file) => file.path))
    for (const file of manifest.files) {
      const target = path.join(there, file.path)
      expect([file.path, sha256(target), (statSync(target).mode & 0o777).toString(8)]).toEqual([
        file.path,
        file.sha256,
        file.mode,
      ])
    }
  })

  test('the binary has every fuse set as the security checklist wants it', async () => {
    const tool = path.join(root, 'node_modules', '.bin', 'electron-fuses')
    const { stdout } = await run(process.execPath, [tool, 'read', '--app', path.join(unpacked, 'lanyard')])
    const fuses = Object.fromEntries(
      [...stdout.matchAll(/(\w+) is (Enabled|Disabled)/g)].map(([, name, state]) => [name, state === 'Enabled']),
    )
    expect(fuses).toEqual({
      RunAsNode: false,
      EnableCookieEncryption: true,
      EnableNodeOptionsEnvironmentVariable: false,
      EnableNodeCliInspectArguments: false,
      EnableEmbeddedAsarIntegrityValidation: true,
      OnlyLoadAppFromAsar: true,
      LoadBrowserProcessSpecificV8Snapshot: false,
      GrantFileProtocolExtraPrivileges: false,
    })
  })
})

interface Seen {
  sandbox: boolean
  schemes: string[]
  windows: { preload: string; webPreferences: unknown }[]
  page: { status: number; policy: string; text: string }
  outside: number
  permissions: Record<string, boolean>
  newWindow: string
  navigationRefused: boolean
  foreignPortClosed: boolean
  info: { version: string; uiUrl: string | null; openaiUrl: string }
  /** what the built-in model said at the OpenAI port */
  reply: { status: number; text: string }
}

test('the packaged main process, on a stand-in for Electron, opens a locked window, answers its page over the port, and has the built-in model answer', async () => {
  const appPath = path.join(folder, 'app')
  extractAll(asar, appPath)
  const electron = path.join(folder, 'node_modules', 'electron')
  mkdirSync(electron, { recursive: true })
  copyFileSync(path.join(import.meta.dirname, 'fake-electron.mjs'), path.join(electron, 'index.mjs'))
  writeFileSync(path.join(electron, 'package.json'), '{"name":"electron","type":"module","exports":"./index.mjs"}')
  const openaiPort = await freePort()
  const start = [
    '--input-type=module',
    '-e',
    `process.resourcesPath = ${JSON.stringify(resourcesPath)}; await import(${JSON.stringify(path.join(appPath, 'dist/app/main.mjs'))})`,
    '--',
    '--no-discovery',
    `--openai-port=${openaiPort}`,
  ]
  const { stdout } = await run(process.execPath, start, {
    cwd: folder,
    timeout: 60_000,
    env: { ...process.env, LANYARD_HOME: path.join(folder, 'home'), FAKE_APP_PATH: appPath },
  })
  const seen = JSON.parse(stdout.trim().split('\n').at(-1)!) as Seen
  expect(seen).toMatchObject({
    sandbox: true,
    schemes: ['app'],
    outside: 404,
    newWindow: 'deny',
    navigationRefused: true,
    foreignPortClosed: true,
  })
  expect(seen.windows).toEqual([{ preload: 'dist/app/preload.cjs', webPreferences: { ...webPreferences } }])
  expect(seen.page).toMatchObject({
    status: 200,
    policy: contentSecurityPolicy,
    text: expect.stringContaining('<script') as string,
  })
  expect(seen.permissions).toEqual({ media: false, notifications: true })
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
  expect(seen.info).toMatchObject({
    version,
    uiUrl: null,
    openaiUrl: expect.stringContaining(String(openaiPort)) as string,
  })
  expect(seen.reply.status, seen.reply.text).toBe(guideModel ? 200 : 404)
  expect(seen.reply.text.length).toBeGreaterThan(20)
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
