import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { inspectModel, openModel } from './library-files.ts'
import { temporaryFolder } from './testing/folder.ts'
import { makeModel, safetensorsOf, tensorsOf, testConfigs } from './testing/make-model.ts'

const config = testConfigs['llama with biases, tied']!

describe('a model folder', () => {
  test('is described by what its files say', async () => {
    using folder = temporaryFolder()
    const path = makeModel(join(folder.path, 'my model'), config, 2)
    const info = await inspectModel(path)
    const values = [...tensorsOf(config).values()].reduce((sum, tensor) => sum + tensor.values.length, 0)
    expect(info).toMatchObject({
      name: 'my model',
      path,
      architecture: 'LlamaForCausalLM',
      family: 'llama',
      parameters: values,
      dtype: 'f32',
      context: 128,
      layers: 2,
      hidden: 16,
      heads: 4,
      kvHeads: 2,
      headDim: 4,
      vocab: 264,
      tokenizer: 'tokenizer.json',
      hasTemplate: false,
      stopIds: [256, 258],
      generation: { temperature: 0.7, topP: 0.8, topK: 20 },
    })
    expect(info.bytes).toBeGreaterThan(values * 4)
    expect(info.files.map(({ name }) => name)).toContain('model-00002-of-00002.safetensors')
  })

  test('changes its fingerprint with its weights and its config, and only then', async () => {
    using folder = temporaryFolder()
    makeModel(folder.path, config)
    const print = async () => (await inspectModel(folder.path)).fingerprint
    const first = await print()
    expect(await print()).toBe(first)
    writeFileSync(join(folder.path, 'README.md'), 'a model')
    expect(await print()).toBe(first)
    appendFileSync(join(folder.path, 'model.safetensors'), 'x')
    const longer = await print()
    expect(longer).not.toBe(first)
    writeFileSync(join(folder.path, 'config.json'), JSON.stringify({ ...config, rms_norm_eps: 1e-5 }))
    expect(await print()).not.toBe(longer)
  })

  test('opens into text tools, a decoder for a context, and slices', async () => {
    using folder = temporaryFolder()
    const opened = await openModel(makeModel(folder.path, config))
    const { text } = opened
    expect(text.vocab).toBe(259)
    expect(opened.facts.decoder.vocabUsed).toBe(259)
    expect(text.chat([{ role: 'user', content: 'a<|im_end|>' }]).filter((id) => id >= 256)).toEqual([257, 258, 257])
    expect(text.decode(text.encode('héllo', false), true)).toBe('héllo')
    expect(text.encode('<|im_end|>', true)).toEqual([258])
    expect(text.encode('<|im_end|>', false)).toHaveLength(10)
    expect(text.specialId('<|im_end|>')).toBe(258)
    expect(text.specialId('a')).toBeNull()
    expect([...text.bytes(258)]).toEqual([])
    expect([...text.bytes(text.encode('é', false)[0]!)]).toEqual([0xc3])
    const splittable = opened.splittable(32)
    expect(splittable.decoder.context).toBe(32)
    const whole = {
      queryHeads: { start: 0, count: 4 },
      kvHeads: { start: 0, count: 2 },
      ffn: { start: 0, count: 24 },
      vocab: { start: 0, count: 264 },
    }
    const tensors = splittable.tensors(whole, 0)
    expect(splittable.shard(tensors).bytes).toBeGreaterThan(opened.info.parameters * 4)
    expect(opened.plannable.sizesOf(whole, 0)).toEqual({
      attention: 2 * (32 * 16 + 16 * 16),
      ffn: 2 * 3 * 24 * 16,
      ffnActive: 2 * 3 * 24 * 16,
      head: 264 * 16,
      table: 264 * 16,
      other: 16 + 2 * (2 * 16 + 32 + 16),
    })
  })
})

describe('what cannot be opened', () => {
  const broken = async (change: (folder: string) => void, given: Record<string, unknown> = config) => {
    using folder = temporaryFolder()
    makeModel(folder.path, given)
    change(folder.path)
    return await openModel(folder.path).then(
      () => null,
      (error: unknown) => error,
    )
  }

  test('an id of the hub is not downloaded yet', async () => {
    await expect(openModel('Qwen/Qwen3-0.6B')).rejects.toMatchObject({
      code: 'hub_unavailable',
      message: expect.stringContaining('Qwen/Qwen3-0.6B'),
    })
  })

  test('a path that is not there, or is a file, or has no config.json', async () => {
    using folder = temporaryFolder()
    await expect(openModel(join(folder.path, 'gone'))).rejects.toMatchObject({ code: 'model_missing' })
    await expect(openModel(folder.path)).rejects.toMatchObject({
      code: 'model_missing',
      message: expect.stringContaining('config.json'),
    })
    writeFileSync(join(folder.path, 'file'), '')
    await expect(openModel(join(folder.path, 'file'))).rejects.toMatchObject({
      code: 'model_missing',
      message: expect.stringContaining('a file'),
    })
  })

  test('a config that is not JSON, or no object', async () => {
    expect(await broken((folder) => writeFileSync(join(folder, 'config.json'), '{'))).toMatchObject({
      code: 'model_unreadable',
    })
    expect(await broken((folder) => writeFileSync(join(folder, 'config.json'), '[]'))).toMatchObject({
      code: 'model_unreadable',
    })
  })

  test('weights that lack a tensor, or whose shape config.json contradicts', async () => {
    const without = [...tensorsOf(config)].filter(([name]) => name !== 'model.norm.weight')
    expect(
      await broken((folder) => writeFileSync(join(folder, 'model.safetensors'), safetensorsOf(without))),
    ).toMatchObject({ code: 'model_tensor_missing', message: expect.stringContaining('model.norm.weight') })
    expect(
      await broken((folder) =>
        writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, intermediate_size: 32 })),
      ),
    ).toMatchObject({ code: 'model_config_mismatch', message: expect.stringMatching(/\[24, 16\].*\[32, 16\]/) })
  })

  test('no tokenizer, one of another kind, or one that is broken', async () => {
    const remove = (folder: string) => rmSync(join(folder, 'tokenizer.json'))
    expect(await broken(remove)).toMatchObject({
      code: 'model_tokenizer',
      message: expect.stringContaining('no tokenizer.json'),
    })
    expect(
      await broken((folder) => {
        remove(folder)
        writeFileSync(join(folder, 'tokenizer.model'), '')
      }),
    ).toMatchObject({ code: 'model_tokenizer', message: expect.stringContaining('tokenizer.model') })
    expect(await broken((folder) => writeFileSync(join(folder, 'tokenizer.json'), '{}'))).toMatchObject({
      code: 'model_tokenizer',
    })
    expect(
      await broken((folder) => {
        const file = join(folder, 'tokenizer.json')
        writeFileSync(
          file,
          readFileSync(file, 'utf8').replace('"decoder":{"type":"ByteLevel"', '"decoder":{"type":"CTC"'),
        )
      }),
    ).toMatchObject({ code: 'model_tokenizer', message: expect.stringContaining('CTC') })
  })

  test('a broken template keeps chats away, not plain completions', async () => {
    using folder = temporaryFolder()
    makeModel(folder.path, config)
    writeFileSync(join(folder.path, 'chat_template.jinja'), '{% if %}')
    const { text, info } = await openModel(folder.path)
    expect(info.hasTemplate).toBe(true)
    expect(text.encode('a', false)).toEqual([97])
    expect(() => text.chat([{ role: 'user', content: 'a' }])).toThrow(
      expect.objectContaining({ code: 'model_tokenizer' }),
    )
  })
})
