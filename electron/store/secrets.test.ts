import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openFileSecrets } from './secrets.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lanyard-secrets-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

describe('secrets in a file', () => {
  test('come back after a new start, and are not readable on disk', async () => {
    await openFileSecrets(home).set('ssh:box', 'hunter2 密码')
    expect(await openFileSecrets(home).get('ssh:box')).toBe('hunter2 密码')
    expect(await openFileSecrets(home).get('toString')).toBeNull()
    expect(readFileSync(join(home, 'secrets.json'), 'utf8')).not.toContain('hunter2')
    for (const file of ['secrets.json', 'secrets.key'])
      expect((statSync(join(home, file)).mode & 0o777).toString(8)).toBe('600')
  })

  test('deleting forgets one and keeps the others', async () => {
    const secrets = openFileSecrets(home)
    await secrets.set('a', '1')
    await secrets.set('b', '2')
    await secrets.delete('a')
    expect([await secrets.get('a'), await secrets.get('b')]).toEqual([null, '2'])
  })

  test('a value cannot be moved to another name', async () => {
    const secrets = openFileSecrets(home)
    await secrets.set('a', '1')
    const file = JSON.parse(readFileSync(join(home, 'secrets.json'), 'utf8')) as Record<string, unknown>
    writeFileSync(join(home, 'secrets.json'), JSON.stringify({ b: file['a'] }))
    await expect(secrets.get('b')).rejects.toMatchObject({ code: 'store_failed' })
  })

  test('another key opens nothing, and a short one is refused', async () => {
    await openFileSecrets(home, { key: randomBytes(32).toString('base64') }).set('a', '1')
    await expect(openFileSecrets(home, { key: randomBytes(32).toString('base64') }).get('a')).rejects.toMatchObject({
      code: 'store_failed',
    })
    expect(() => openFileSecrets(home, { key: 'short' })).toThrow(/instead of 32/)
  })

  test('says how they are kept', () => {
    expect(openFileSecrets(home).describe()).toMatch(/key in a file beside them/)
    expect(openFileSecrets(home, { key: randomBytes(32).toString('base64') }).describe()).toMatch(/not on this disk/)
  })
})
