import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openModel } from '../library-files.ts'
import { rowRuns } from '../quantisation/packed.ts'
import { temporaryFolder } from '../testing/folder.ts'
import { ggufOf, makeGguf, tokenizerMetadata, type Value } from '../testing/make-gguf.ts'
import { huggingFaceTokenizer } from '../tokenizer/hugging-face.ts'
import { readGguf } from './gguf-files.ts'
import { GgufIncomplete, parseGguf } from './gguf.ts'
import { tokenizerOfGguf } from './tokenizer.ts'

const fixtures = fileURLToPath(new URL('../../../../shared/fixtures/main/', import.meta.url))
const present = existsSync(fixtures)
if (!present)
  console.log('Left out: GGUF conversions of the golden models and tokenizers (../shared/fixtures is absent).')

const facts: Record<string, Value> = {
  'general.architecture': 'llama',
  'llama.block_count': { u32: 1 },
  'llama.embedding_length': { u32: 32 },
  'llama.attention.head_count': { u32: 2 },
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'gpt-2',
  'tokenizer.ggml.tokens': ['a', 'b', 'ab'],
  'tokenizer.ggml.merges': ['a b'],
}
const tensor = (type: number, bytes: number) => ({
  name: 'token_embd.weight',
  shape: [4, 32],
  type,
  data: Buffer.alloc(bytes),
})

describe('a GGUF header', () => {
  const file = ggufOf({ ...facts, 'some.list': [1, 2.5], 'some.flag': true }, [
    tensor(8, 4 * 34),
    { ...tensor(0, 512), name: 'x' },
  ])

  test('gives metadata, tensors with rows first, and where their bytes are', () => {
    const { metadata, tensors } = parseGguf(file, 'm')
    expect(metadata.get('some.list')).toEqual([1, 2.5])
    expect(metadata.get('some.flag')).toBe(true)
    expect(metadata.get('llama.embedding_length')).toBe(32)
    expect(tensors.map(({ name, shape, type }) => ({ name, shape, type }))).toEqual([
      { name: 'token_embd.weight', shape: [4, 32], type: 8 },
      { name: 'x', shape: [4, 32], type: 0 },
    ])
    expect(tensors[1]!.offset + 512).toBe(file.length)
    expect(tensors[1]!.offset - tensors[0]!.offset).toBe(160)
  })

  test('that ends early anywhere asks for more, and random bytes never read as one', () => {
    const end = parseGguf(file, 'm').tensors[0]!.offset - 32
    for (let length = 0; length < end; length += 7)
      expect(() => parseGguf(file.subarray(0, length), 'm')).toThrow(GgufIncomplete)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), fc.nat(file.length), (noise, at) => {
        const broken = Buffer.from(file.subarray(0, Math.max(end, at)))
        broken.set(noise.subarray(0, broken.length - (at % end)), at % end)
        // Whatever stands there: an answer or one of the two errors, in bounded time and memory.
        try {
          parseGguf(broken, 'm')
        } catch (error) {
          expect(error instanceof GgufIncomplete || (error as { code?: string }).code !== undefined).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a GGUF file that cannot be served is refused', () => {
  const refusal = async (metadata: Record<string, Value>, tensors = [tensor(8, 136)], cut = 0, version = 3) => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'm.gguf')
    const bytes = ggufOf(metadata, tensors, version)
    writeFileSync(path, bytes.subarray(0, bytes.length - cut))
    return await readGguf(path).then(
      () => null,
      (error: unknown) => error as { code: string; message: string },
    )
  }
  test.each<[string, Promise<unknown>, string, RegExp]>([
    ['of an unknown kind', refusal({ ...facts, 'general.architecture': 'mamba' }), 'model_unsupported', /"mamba"/],
    ['with a type that cannot be read', refusal(facts, [tensor(10, 512)]), 'model_unsupported', /Q2_K/],
    ['of the first version', refusal(facts, [tensor(8, 136)], 0, 1), 'model_unsupported', /version 1/],
    ['cut short', refusal(facts, [tensor(8, 160)], 40), 'model_truncated', /token_embd/],
    ['cut within its header', refusal(facts, [], 40), 'model_truncated', /header/],
    ['with experts', refusal({ ...facts, 'llama.expert_count': { u32: 8 } }), 'model_unsupported', /experts/],
    [
      'with another splitting of text',
      refusal({ ...facts, 'tokenizer.ggml.pre': 'viking' }),
      'model_tokenizer',
      /"viking"/,
    ],
    ['with another tokenizer', refusal({ ...facts, 'tokenizer.ggml.model': 't5' }), 'model_tokenizer', /"t5"/],
  ])('%s', async (_, refused, code, message) => {
    expect(await refused).toMatchObject({ code, message: expect.stringMatching(message) })
  })

  test('that is not one, and a part that is missing', async () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'm.gguf'), 'not one at all')
    await expect(readGguf(join(folder.path, 'm.gguf'))).rejects.toMatchObject({ code: 'model_unreadable' })
    writeFileSync(join(folder.path, 'm-00001-of-00002.gguf'), ggufOf(facts, []))
    await expect(readGguf(join(folder.path, 'm-00001-of-00002.gguf'))).rejects.toMatchObject({
      code: 'model_truncated',
      message: expect.stringContaining('m-00002-of-00002.gguf'),
    })
  })
})

test('rows of interleaved heads are found wherever a run begins and ends', () => {
  const [heads, dim] = [3, 8]
  const header = {
    name: 'q',
    dtype: 'F32',
    shape: [heads * dim, 4],
    file: '',
    offset: 0,
    bytes: 0,
    interleavedHeads: heads,
  }
  // Row (head, half, i) of ours is row (head, i, half) of the file.
  const stored = Array.from({ length: heads * dim }, (_, row) => {
    const within = row % dim
    return row - within + 2 * (within % (dim / 2)) + Math.floor(within / (dim / 2))
  })
  fc.assert(
    fc.property(fc.nat(heads * dim - 1), fc.nat(heads * dim), (start, more) => {
      const count = Math.min(more + 1, heads * dim - start)
      const rows = rowRuns(header, { start, count }).flatMap((run) =>
        Array.from({ length: run.count }, (_, i) => run.start + i * run.step),
      )
      expect(rows).toEqual(stored.slice(start, start + count))
    }),
  )
})

interface Golden {
  encode: { text: string; ids: number[]; ids_with_special: number[]; decode: string }[]
}

describe.skipIf(!present)('a tokenizer inside GGUF', () => {
  test.each([
    ['llama3', 'llama-bpe'],
    ['qwen2', 'qwen2'],
    ['llama2', ''],
  ])('%s encodes and decodes as its tokenizer.json', (name, pre) => {
    const folder = join(fixtures, 'tokenizers', name)
    const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>
    const metadata = tokenizerMetadata(read('tokenizer.json'), read('tokenizer_config.json'), pre)
    const { json, config } = tokenizerOfGguf(parseGguf(ggufOf(metadata, []), 'm'), 'm')
    const tokenizer = huggingFaceTokenizer(json, config)
    const golden = read('golden.json') as unknown as Golden
    expect(golden.encode.length).toBeGreaterThan(20)
    for (const { text, ids, ids_with_special: framed, decode } of golden.encode) {
      expect(tokenizer.encode(text, { special: true })).toEqual(ids)
      expect(tokenizer.encode(text, { special: true, bos: true })).toEqual(framed)
      expect(tokenizer.decode(ids)).toBe(decode)
    }
  })
})

test.skipIf(!present)('a converted model has the facts of the original', async () => {
  using folder = temporaryFolder()
  for (const [name, pre] of [
    ['llama', 'llama-bpe'],
    ['qwen2', 'qwen2'],
    ['qwen3', 'qwen2'],
  ] as const) {
    const path = join(folder.path, `${name}.gguf`)
    writeFileSync(path, await makeGguf(join(fixtures, name), 'F32', pre))
    const [original, converted] = [await openModel(join(fixtures, name)), await openModel(path)]
    expect(converted.info).toMatchObject({ name, path, dtype: 'f32', parameters: original.info.parameters })
    expect(converted.info.hasTemplate).toBe(true)
    const { ropes, ...rest } = original.facts.decoder
    const { ropes: own, ...ours } = converted.facts.decoder
    expect({ ...ours, normEps: 0 }).toEqual({ ...rest, normEps: 0 })
    expect(ours.normEps).toBeCloseTo(rest.normEps, 12)
    own[0]!.invFreq.forEach((frequency, i) => expect(frequency / ropes[0]!.invFreq[i]!).toBeCloseTo(1, 6))
    const messages = [{ role: 'user', content: 'Hi there' }]
    expect(converted.text.chat(messages)).toEqual(original.text.chat(messages))
  }
})
