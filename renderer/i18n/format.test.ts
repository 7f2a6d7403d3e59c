import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { en } from './en.ts'
import { createFormat } from './format.ts'
import { resolveLanguage } from './index.ts'
import { zhCN } from './zh-cn.ts'

const f = createFormat('en')

describe('figures', () => {
  test('sizes step by 1024 and never show four digits before the unit', () => {
    expect([0, 1023, 1024, 1536, 24 * 2 ** 30, 2 ** 40].map(f.bytes)).toEqual([
      '0 B',
      '1,023 B',
      '1 KiB',
      '1.5 KiB',
      '24 GiB',
      '1 TiB',
    ])
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 2 ** 48 }), (n) => {
        expect(Number.parseFloat(f.bytes(n).replace(',', ''))).toBeLessThan(1024)
      }),
    )
  })

  test('durations choose their unit', () => {
    expect([85, 1234, 59_940, 185_000].map(f.duration)).toEqual(['85 ms', '1.2 s', '59.9 s', '3 min 05 s'])
  })

  test('parameters, shares and speeds are short', () => {
    expect([f.parameters(7.24e9), f.parameters(4.2e6), f.percent(0.432), f.speed(31.42), f.speed(142.7)]).toEqual([
      '7.2 B',
      '4.2 M',
      '43 %',
      '31.4',
      '143',
    ])
  })

  test('figures that are no numbers are shown as zero, not as NaN', () => {
    expect(f.number(Number.NaN)).toBe('0')
  })

  test('times ago follow the language', () => {
    expect(f.ago(0, 120_000)).toBe('2 minutes ago')
    expect(createFormat('zh-CN').ago(0, 120_000)).toBe('2分钟前')
  })
})

describe('languages', () => {
  test('the system chooses the first one we have, English otherwise', () => {
    expect(resolveLanguage('system', ['zh-TW', 'en'])).toBe('zh-CN')
    expect(resolveLanguage('system', ['fr', 'en-GB'])).toBe('en')
    expect(resolveLanguage('system', [])).toBe('en')
    expect(resolveLanguage('zh-CN', ['en'])).toBe('zh-CN')
  })

  test('Chinese says everything, with no text left empty', () => {
    const leaves = (value: unknown, path: string): [string, unknown][] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([k, v]) => leaves(v, `${path}.${k}`))
        : [[path, value]]
    const english = new Map(leaves(en, ''))
    const chinese = new Map(leaves(zhCN, ''))
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
    expect([...chinese].filter(([, v]) => v === '')).toEqual([])
    expect(zhCN.settings.keyList.split('\n')).toHaveLength(en.settings.keyList.split('\n').length)
  })
})
