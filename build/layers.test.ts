/** Plants one violation per rule into a folder laid out like the checkout, and expects the linter to fail on each. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
let tree = ''

beforeEach(() => {
  tree = mkdtempSync(path.join(tmpdir(), 'lanyard-layers-'))
  writeFileSync(path.join(tree, 'tsconfig.json'), '{}')
})
afterEach(() => rmSync(tree, { recursive: true }))

/** What the linter says about these files: `file rule` per problem, sorted. */
function lint(files: Record<string, string>): string[] {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(tree, file)), { recursive: true })
    writeFileSync(path.join(tree, file), text)
  }
  const oxlint = path.join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const args = ['-c', path.join(root, 'build', 'oxlintrc.json'), '--format', 'json', '.']
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, ...args], { cwd: tree, encoding: 'utf8' })
  expect(stderr).toBe('')
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[] }
  return diagnostics.map(({ filename, code }) => `${filename.replaceAll('\\', '/')} ${code}`).sort()
}

const layers = 'lanyard(layers)'
const value = 'export const value = 1\n'
const use = (specifier: string) => `import { value } from '${specifier}'\nexport const used = value\n`

const planted: [string, Record<string, string>, string][] = [
  ['the renderer imports a service', { 'renderer/chat/chat.ts': use('../../electron/store/store.ts') }, layers],
  ['the renderer imports a Node module', { 'renderer/chat/chat.ts': use('node:fs') }, layers],
  ['the contract imports a service', { 'electron/contract/chat.ts': use('../store/store.ts') }, layers],
  ['the contract imports another package', { 'electron/contract/chat.ts': use('hono') }, layers],
  ['the contract imports vscode-jsonrpc outside rpc/', { 'electron/contract/chat.ts': use('vscode-jsonrpc') }, layers],
  ['models import a service', { 'electron/models/models.ts': use('../serving/deployments.ts') }, layers],
  ['placement imports a service', { 'electron/placement/plan.ts': use('../machines/machines.ts') }, layers],
  ['the worker imports models', { 'electron/worker/rank/rank.ts': use('../../models/models.ts') }, layers],
  ['a service imports the worker', { 'electron/serving/deployments.ts': use('../worker/worker.ts') }, layers],
  [
    'a service imports the inside of another',
    { 'electron/serving/deployments.ts': use('../machines/reach/ssh.ts') },
    layers,
  ],
  ['a service imports an entry point', { 'electron/serving/deployments.ts': use('../app.ts') }, layers],
  ['ssh2 outside machines/', { 'electron/serving/deployments.ts': use('ssh2') }, layers],
  ['electron outside the window code', { 'electron/app.ts': use('electron') }, layers],
  ['a test imports electron', { 'electron/main.test.ts': use('electron') }, layers],
  [
    'a service re-exports the inside of another',
    { 'electron/serving/a.ts': "export * from '../store/db/db.ts'\n" },
    layers,
  ],
  [
    'a service loads an entry point later',
    { 'electron/serving/a.ts': "export const later = import('../main.ts')\n" },
    layers,
  ],
  [
    'a named import of zod',
    { 'electron/store/settings.ts': "import { string } from 'zod/mini'\nexport const s = string()\n" },
    'lanyard(zod-namespace)',
  ],
  [
    'the whole of zod',
    { 'electron/store/settings.ts': "import * as z from 'zod'\nexport const s = z.string()\n" },
    'lanyard(zod-namespace)',
  ],
  ['an `any`', { 'electron/store/settings.ts': 'export const a: any = 1\n' }, 'typescript(no-explicit-any)'],
  ['a file over 500 lines', { 'electron/store/settings.ts': 'export {}\n'.repeat(501) }, 'eslint(max-lines)'],
]

test.each(planted)('%s: the linter fails', (_, files, rule) => {
  expect(lint(files)).toEqual([`${Object.keys(files)[0]!} ${rule}`])
})

test('two files that import each other: the linter fails', () => {
  const files = { 'electron/store/a.ts': use('./b.ts'), 'electron/store/b.ts': `${use('./a.ts')}${value}` }
  expect(lint({ ...files, 'electron/store/a.ts': `${use('./b.ts')}${value}` })).toEqual([
    'electron/store/a.ts import(no-cycle)',
    'electron/store/b.ts import(no-cycle)',
  ])
})

test('imports in the right direction pass', () => {
  const files = {
    'electron/contract/chat.ts': "import * as z from 'zod/mini'\nexport const value = z.string()\n",
    'electron/contract/rpc/peer.ts': "export * from 'vscode-jsonrpc/node'\n",
    'electron/machines/machines.ts': `${use('ssh2')}${value}`,
    'electron/models/models.ts': `${use('../contract/chat.ts')}${value}`,
    'electron/placement/plan.ts': use('../models/models.ts'),
    'electron/serving/deployments.ts': use('../machines/machines.ts'),
    'electron/worker/rank/rank.ts': use('../../contract/chat.ts'),
    'electron/main.ts': use('electron'),
    'renderer/chat/chat.tsx': use('../../electron/contract/chat.ts'),
  }
  expect(lint(files)).toEqual([])
})
