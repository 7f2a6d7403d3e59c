import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findUiFile } from './ui-files.ts'

let base = ''
let ui = ''

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'lanyard-ui-'))
  ui = path.join(base, 'ui')
  mkdirSync(path.join(ui, 'assets'), { recursive: true })
  writeFileSync(path.join(ui, 'index.html'), '<!doctype html>')
  writeFileSync(path.join(ui, 'assets', 'index-Ab3dE_9x.js'), '')
  writeFileSync(path.join(base, 'secret.txt'), 'secret')
  symlinkSync(path.join(base, 'secret.txt'), path.join(ui, 'link.txt'))
  mkdirSync(path.join(base, 'ui-other'))
  writeFileSync(path.join(base, 'ui-other', 'x.js'), '')
})

afterEach(() => rmSync(base, { recursive: true }))

test('a path finds its file with type and life', async () => {
  expect(await findUiFile(ui, '/')).toMatchObject({ type: 'text/html; charset=utf-8', isImmutable: false })
  expect(await findUiFile(ui, '/assets/index-Ab3dE_9x.js')).toMatchObject({
    type: 'text/javascript; charset=utf-8',
    isImmutable: true,
  })
})

test('nothing outside the folder is found, by dots, escapes, links or a neighbour with a longer name', async () => {
  const paths = [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/link.txt',
    '/../ui-other/x.js',
    '/assets',
    '/%00',
    '/%',
    '/none',
  ]
  for (const urlPath of paths) expect([urlPath, await findUiFile(ui, urlPath)]).toEqual([urlPath, undefined])
})
