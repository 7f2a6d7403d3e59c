import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteArgv, quoteWord } from './quote.ts'

const shells = ['sh', 'bash', 'zsh', 'fish'].filter((shell) => {
  try {
    execFileSync(shell, ['-c', 'true'])
    return true
  } catch {
    return false
  }
})

describe('a quoted word', () => {
  test('stays readable when it needs no quotes', () => {
    expect(quoteArgv(['/usr/bin/tar', '-C', 'a b'])).toBe("/usr/bin/tar '-C' 'a b'")
  })

  test('is refused when it holds NUL', () => {
    expect(() => quoteWord('a\0b')).toThrow(TypeError)
  })

  test.each(shells)('reaches the program unchanged through %s, whatever is in it', (shell) => {
    const words = [
      '',
      ' ',
      "'",
      '\\',
      "\\'",
      "it's",
      '$HOME',
      '`id`',
      '$(id)',
      '*',
      '~',
      '=ls',
      '%1',
      '!x',
      'a\nb',
      '\t',
      '"',
      '你好',
      '-n',
      '#',
      ';',
      '&',
      '{a,b}',
      "a\\'b\\",
    ]
    const printed = (argv: string[]) =>
      execFileSync(shell, ['-c', quoteArgv(['/usr/bin/printf', '%s\\0', ...argv])], { encoding: 'utf8' })
    expect(printed(words).split('\0').slice(0, -1)).toEqual(words)
    const word = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\0'))
    const check = fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (argv) => {
      expect(printed(argv).split('\0').slice(0, -1)).toEqual(argv)
    })
    fc.assert(check, { numRuns: 20 })
  })
})
