import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LanyardError } from '../contract/errors.ts'
import { headerLength, maxHeaderBytes, parseHeader } from './safetensors.ts'
import { readHeaders } from './safetensors-files.ts'
import { temporaryFolder } from './testing/folder.ts'
import { makeModel, safetensorsOf, testConfigs } from './testing/make-model.ts'

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const thrown = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error as LanyardError
  }
  throw new Error('nothing was thrown')
}

describe('a safetensors header', () => {
  test('gives shape, dtype and place of every tensor', () => {
    const header = json({ __metadata__: { format: 'pt' }, a: { dtype: 'BF16', shape: [2, 3], data_offsets: [4, 16] } })
    expect(parseHeader(header, 8 + header.length + 16, 'f')).toEqual([
      { name: 'a', dtype: 'BF16', shape: [2, 3], file: 'f', offset: 8 + header.length + 4, bytes: 12 },
    ])
  })

  test('names the file and the missing bytes of one that is cut short', () => {
    const header = json({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } })
    const error = thrown(() => parseHeader(header, 8 + header.length + 11, 'm.safetensors'))
    expect(error).toMatchObject({ code: 'model_truncated' })
    expect(error.message).toContain('m.safetensors is cut short: 5 of')
  })

  test.each([
    ['no dtype', { a: { shape: [1], data_offsets: [0, 4] } }],
    ['a negative shape', { a: { dtype: 'F32', shape: [-1], data_offsets: [0, 4] } }],
    ['a fractional offset', { a: { dtype: 'F32', shape: [1], data_offsets: [0.5, 4.5] } }],
    ['offsets that run backwards', { a: { dtype: 'F32', shape: [1], data_offsets: [4, 0] } }],
    ['a size that is not the shape’s', { a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }],
    ['a tensor that is no object', { a: 7 }],
    ['a list', [1]],
  ])('is refused for %s', (_, value) => {
    expect(thrown(() => parseHeader(json(value), 1e6, 'f'))).toMatchObject({ code: 'model_unreadable' })
  })

  test('of an absurd length is refused before anything is read', () => {
    const first = new Uint8Array(8)
    new DataView(first.buffer).setBigUint64(0, BigInt(maxHeaderBytes) + 1n, true)
    expect(thrown(() => headerLength(first, 1e12, 'f'))).toMatchObject({ code: 'model_unreadable' })
    new DataView(first.buffer).setBigUint64(0, 1000n, true)
    expect(thrown(() => headerLength(first, 500, 'f'))).toMatchObject({ code: 'model_truncated' })
    expect(thrown(() => headerLength(new Uint8Array(3), 3, 'f'))).toMatchObject({ code: 'model_truncated' })
  })

  test('of any bytes at all is either read within the file or refused with a code of ours', () => {
    const entry = fc.oneof(
      fc.anything(),
      fc.record({
        dtype: fc.constantFrom('F32', 'BF16', 'I64', 'NEW'),
        shape: fc.array(fc.nat(9)),
        data_offsets: fc.tuple(fc.nat(99), fc.nat(99)),
      }),
    )
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array(), fc.dictionary(fc.string(), entry).map(json)),
        fc.nat(400),
        (bytes, extra) => {
          const size = 8 + bytes.length + extra
          try {
            for (const header of parseHeader(bytes, size, 'f'))
              expect(header.offset + header.bytes).toBeLessThanOrEqual(size)
          } catch (error) {
            expect(error).toBeInstanceOf(LanyardError)
          }
        },
      ),
    )
  })
})

describe('the headers of a folder', () => {
  test('come from one file, or from all that the index names', async () => {
    using folder = temporaryFolder()
    const one = await readHeaders(makeModel(join(folder.path, 'one'), testConfigs['llama']!))
    const three = await readHeaders(makeModel(join(folder.path, 'three'), testConfigs['llama']!, 3))
    expect([...three.keys()].toSorted()).toEqual([...one.keys()].toSorted())
    expect(new Set([...three.values()].map(({ file }) => file)).size).toBe(3)
  })

  test('of a truncated file say how many bytes are missing', async () => {
    using folder = temporaryFolder()
    makeModel(folder.path, testConfigs['llama']!)
    const file = join(folder.path, 'model.safetensors')
    const { length } = safetensorsOf([])
    const whole = [...(await readHeaders(folder.path)).values()].reduce(
      (end, h) => Math.max(end, h.offset + h.bytes),
      length,
    )
    truncateSync(file, whole - 1234)
    await expect(readHeaders(folder.path)).rejects.toMatchObject({
      code: 'model_truncated',
      message: expect.stringContaining('1234 of'),
    })
    truncateSync(file, 4)
    await expect(readHeaders(folder.path)).rejects.toMatchObject({ code: 'model_truncated' })
  })

  test('of a missing shard, of pickles, of GGUF and of nothing are refused with their reasons', async () => {
    using folder = temporaryFolder()
    const index = join(folder.path, 'model.safetensors.index.json')
    await expect(readHeaders(folder.path)).rejects.toMatchObject({ code: 'model_missing' })
    writeFileSync(join(folder.path, 'a.gguf'), '')
    await expect(readHeaders(folder.path)).rejects.toMatchObject({
      code: 'model_unsupported',
      message: expect.stringContaining('GGUF'),
    })
    writeFileSync(join(folder.path, 'pytorch_model.bin'), '')
    await expect(readHeaders(folder.path)).rejects.toMatchObject({
      code: 'model_unsupported',
      message: expect.stringContaining('pickle'),
    })
    writeFileSync(index, JSON.stringify({ weight_map: { a: 'gone.safetensors' } }))
    await expect(readHeaders(folder.path)).rejects.toMatchObject({
      code: 'model_truncated',
      message: expect.stringContaining('gone.safetensors'),
    })
    writeFileSync(index, JSON.stringify({ weight_map: { a: '../other.safetensors' } }))
    await expect(readHeaders(folder.path)).rejects.toMatchObject({
      code: 'model_unreadable',
      message: expect.stringContaining('outside'),
    })
    writeFileSync(index, '{')
    await expect(readHeaders(folder.path)).rejects.toMatchObject({ code: 'model_unreadable' })
  })
})
