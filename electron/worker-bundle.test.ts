import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { locateWorkerBundle } from './worker-bundle.ts'
import type { BundleManifest } from './worker-bundle.ts'

let base = ''

beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'lanyard-bundle-'))
})
afterEach(() => rmSync(base, { recursive: true }))

function putBundle(folder: string, hash: string): string {
  mkdirSync(folder, { recursive: true })
  const manifest: BundleManifest = {
    format: 1,
    version: '1.2.3',
    os: 'linux',
    arch: 'x64',
    hash,
    files: [{ path: 'node', bytes: 4, sha256: 'a'.repeat(64), mode: '755' }],
    archive: { path: 'worker.tar.gz', bytes: 7, sha256: 'b'.repeat(64) },
  }
  writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify(manifest))
  writeFileSync(path.join(folder, 'node'), 'node')
  writeFileSync(path.join(folder, 'worker.tar.gz'), 'archive')
  return folder
}

test('a packaged app takes the bundle beside it, a checkout its own', () => {
  const packaged = putBundle(path.join(base, 'resources', 'worker', 'linux-x64'), '1'.repeat(32))
  const built = putBundle(path.join(base, 'checkout', 'dist', 'worker', 'linux-x64'), '2'.repeat(32))
  const root = path.join(base, 'checkout')
  expect(locateWorkerBundle({ resourcesPath: path.join(base, 'resources'), root }, 'linux-x64')).toMatchObject({
    folder: packaged,
    archive: path.join(packaged, 'worker.tar.gz'),
    manifest: { hash: '1'.repeat(32) },
  })
  expect(locateWorkerBundle({ root }, 'linux-x64').folder).toBe(built)
})

test('a missing bundle, an unreadable list and a cut file are told apart, each with what to do', () => {
  expect(() => locateWorkerBundle({ root: base }, 'linux-x64')).toThrow(
    expect.objectContaining({ code: 'worker_missing', hint: 'Run `npm run build`.' }),
  )
  const folder = putBundle(path.join(base, 'dist', 'worker', 'linux-x64'), '3'.repeat(32))
  writeFileSync(path.join(folder, 'worker.tar.gz'), 'arch')
  expect(() => locateWorkerBundle({ root: base }, 'linux-x64')).toThrow(/worker\.tar\.gz has 4 bytes instead of 7/)
  writeFileSync(path.join(folder, 'manifest.json'), '{"format":2}')
  expect(() => locateWorkerBundle({ root: base }, 'linux-x64')).toThrow(
    expect.objectContaining({ code: 'worker_corrupt' }),
  )
})
