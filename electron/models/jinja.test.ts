import { describe, expect, test } from 'vitest'
import { jinjaTemplate } from './jinja.ts'

describe('comparisons in templates are those of Python', () => {
  test.each([
    ["{{ '' == false }} {{ '' != false }}", 'false true'],
    ["{{ 1 == '1' }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 0 == none }}", 'false true true false'],
    ["{{ [1, 'a'] == [1, 'a'] }} {{ [1] == [1, 2] }} {{ [] == false }}", 'true false false'],
    ["{{ {'a': [1]} == {'a': [1]} }} {{ {'a': 1} == {'a': 2} }} {{ {} != {'a': 1} }}", 'true false true'],
    ["{{ none == none }} {{ missing == '' }} {{ none == false }}", 'true false false'],
    ["{% for m in list if m.role == 'user' %}{{ m.text if m.text != '' else 'none' }}{% endfor %}", 'none'],
    ["{{ (list[0].role == 'user') != (1 == 2) }}", 'true'],
  ])('%s', (source, expected) => {
    expect(jinjaTemplate(source).render({ list: [{ role: 'user', text: '' }] })).toBe(expected)
  })
})
