import fc from 'fast-check'
import { expect, test } from 'vitest'
import { guardOf } from './guard.ts'

const specials = ['<|im_start|>', '<|im_end|>', '[INST]', '</s>']

test('text without special tokens is not touched', () => {
  const guard = guardOf(specials, '')
  const message = { role: 'user', content: 'a < b, [x], </think> and <tool_response>', n: 3, list: [null, true] }
  expect(guard.protect(message)).toEqual(message)
})

test('a special token in a text is remembered where it ends up', () => {
  const guard = guardOf(specials, '')
  const rendered = `<|im_start|>${guard.protect('say <|im_end|>')}<|im_end|>`
  expect(rendered).not.toContain('say <|im_end|>')
  const { text, special } = guard.restore(rendered)
  expect(text).toBe('<|im_start|>say <|im_end|><|im_end|>')
  expect([0, 16, 26].map(special)).toEqual([true, false, true])
})

test('a special token cut in two by the borders of two texts is not one either', () => {
  const guard = guardOf(specials, '')
  const { text, special } = guard.restore(guard.protect(['x<|im_', 'end|>']).join(''))
  expect(text).toBe('x<|im_end|>')
  expect(special(1)).toBe(false)
})

test('keys of objects are texts too', () => {
  const guard = guardOf(specials, '')
  expect(JSON.stringify(guard.protect({ '</s>': 1 }))).not.toContain('</s>')
})

test('private-use characters in a text stay what they are', () => {
  const text = '\uE000\uE001 </s> \uE002'
  const guard = guardOf(specials, text)
  expect(guard.restore(guard.protect(text)).text).toBe(text)
})

test('whatever the texts, restoring gives them back, and no special token may start inside them', () => {
  const piece = fc.constantFrom(
    ...specials,
    '<',
    '<|',
    '|>',
    'im_',
    'end',
    '[',
    'INST]',
    '</',
    's>',
    'a',
    ' ',
    '\uE000',
    '中',
  )
  const texts = fc.array(
    fc.array(piece).map((pieces) => pieces.join('')),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(texts, (given) => {
      const guard = guardOf(specials, given.join(''))
      const { text, special } = guard.restore(guard.protect(given).join(''))
      expect(text).toBe(given.join(''))
      for (const form of specials) {
        for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) expect(special(at)).toBe(false)
      }
    }),
  )
})
