import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { tarEnd, tarEntry } from './tar.ts'

test('tar reads back names, modes and contents of every length', () => {
  const contents = new Map([0, 1, 511, 512, 513].map((length) => [`file-${length}`, Buffer.alloc(length, 'x')]))
  const tar = Buffer.concat([...[...contents].map(([name, content]) => tarEntry(name, 0o755, content)), tarEnd])
  const list = execFileSync('tar', ['-tvf', '-'], { input: tar, encoding: 'utf8' })
  for (const [name, content] of contents) {
    expect(list).toMatch(new RegExp(`^-rwxr-xr-x 0/0 +${content.length} .* ${name}$`, 'm'))
    expect(execFileSync('tar', ['-xOf', '-', name], { input: tar })).toEqual(content)
  }
})

test('a name that does not fit its header is refused', () => {
  expect(() => tarEntry('n'.repeat(101), 0o644, Buffer.alloc(0))).toThrow(/100 bytes/)
})
