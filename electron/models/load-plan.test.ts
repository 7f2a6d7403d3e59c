import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { RankSplit, TensorSource } from '../contract/engine.ts'
import { modelFacts } from './architecture/architecture.ts'
import { checkTensors, loadPlan, planBytes, wholeSplit } from './load-plan.ts'
import type { TensorHeaders } from './safetensors.ts'
import { readHeaders } from './safetensors-files.ts'
import { temporaryFolder } from './testing/folder.ts'
import { makeModel, tensorsOf, testConfigs } from './testing/make-model.ts'

/** The values a source reads, row after row. */
function valuesOf(source: TensorSource): number[] {
  return source.extents.flatMap(({ file, offset, rows, rowBytes, stride }) => {
    const bytes = readFileSync(file)
    return Array.from({ length: rows }, (_, row) =>
      bytes.subarray(offset + row * stride, offset + row * stride + rowBytes),
    ).flatMap((part) => Array.from({ length: part.length / 4 }, (_, i) => part.readUInt32LE(i * 4)))
  })
}

/** A middle rank: query heads 1–2 lie in both KV groups. */
const split: RankSplit = {
  queryHeads: { start: 1, count: 2 },
  kvHeads: { start: 0, count: 2 },
  ffn: { start: 8, count: 8 },
  vocab: { start: 96, count: 64 },
}

async function planOf(name: string, rank = 1, own = split) {
  using folder = temporaryFolder()
  const config = testConfigs[name]!
  const headers = await readHeaders(makeModel(folder.path, config))
  const sources = loadPlan(modelFacts(config), headers, own, rank)
  const tensors = tensorsOf(config)
  const read = new Map(
    sources.map((source) => [`${source.role} ${source.layer} ${source.expert}`, { source, values: valuesOf(source) }]),
  )
  /** rows and columns of a published tensor */
  const block = (tensor: string, rows: [number, number], cols?: [number, number]) => {
    const { shape, values } = tensors.get(tensor)!
    const width = shape[1] ?? 1
    const [from, to] = cols ?? [0, width]
    return Array.from({ length: rows[1] - rows[0] }, (_, i) => [
      ...values.subarray((rows[0] + i) * width + from, (rows[0] + i) * width + to),
    ]).flat()
  }
  return { read, block, sources }
}

describe('a load plan', () => {
  test('takes rows of column-parallel and columns of row-parallel matrices', async () => {
    const { read, block } = await planOf('llama')
    const at = 'model.layers.1.'
    expect(read.get('attn_qkv 1 -1')!.values).toEqual([
      ...block(`${at}self_attn.q_proj.weight`, [4, 12]),
      ...block(`${at}self_attn.k_proj.weight`, [0, 8]),
      ...block(`${at}self_attn.v_proj.weight`, [0, 8]),
    ])
    expect(read.get('attn_qkv 1 -1')!.source).toMatchObject({ rows: 24, cols: 16, dtype: 'f32' })
    expect(read.get('attn_o 1 -1')!.values).toEqual(block(`${at}self_attn.o_proj.weight`, [0, 16], [4, 12]))
    expect(read.get('ffn_gate_up 1 -1')!.values).toEqual([
      ...block(`${at}mlp.gate_proj.weight`, [8, 16]),
      ...block(`${at}mlp.up_proj.weight`, [8, 16]),
    ])
    expect(read.get('ffn_down 1 -1')!.values).toEqual(block(`${at}mlp.down_proj.weight`, [0, 16], [8, 16]))
    expect(read.get('lm_head -1 -1')!.values).toEqual(block('lm_head.weight', [96, 160]))
    expect(read.get('embed -1 -1')!.values).toEqual(block('model.embed_tokens.weight', [0, 264]))
    expect(read.get('ffn_norm 1 -1')!.source).toMatchObject({ rows: 16, cols: 1 })
  })

  test('cuts each third of Qwen1’s c_attn, and puts its gate (w2) before its up projection (w1)', async () => {
    const { read, block } = await planOf('qwen1', 1, { ...split, kvHeads: split.queryHeads })
    const at = 'transformer.h.0.'
    const thirds: [number, number][] = [
      [4, 12],
      [20, 28],
      [36, 44],
    ]
    expect(read.get('attn_qkv 0 -1')!.values).toEqual(thirds.flatMap((rows) => block(`${at}attn.c_attn.weight`, rows)))
    expect(read.get('attn_qkv_bias 0 -1')!.values).toEqual(
      thirds.flatMap((rows) => block(`${at}attn.c_attn.bias`, rows)),
    )
    expect(read.get('ffn_gate_up 0 -1')!.values).toEqual([
      ...block(`${at}mlp.w2.weight`, [8, 16]),
      ...block(`${at}mlp.w1.weight`, [8, 16]),
    ])
    expect(read.get('ffn_down 0 -1')!.values).toEqual(block(`${at}mlp.c_proj.weight`, [0, 16], [8, 16]))
  })

  test('cuts each segment of Phi-3’s fused matrices', async () => {
    const { read, block } = await planOf('phi3')
    const at = 'model.layers.0.'
    expect(read.get('attn_qkv 0 -1')!.values).toEqual(
      (
        [
          [4, 12],
          [16, 24],
          [24, 32],
        ] as [number, number][]
      ).flatMap((rows) => block(`${at}self_attn.qkv_proj.weight`, rows)),
    )
    expect(read.get('ffn_gate_up 0 -1')!.values).toEqual(
      (
        [
          [8, 16],
          [32, 40],
        ] as [number, number][]
      ).flatMap((rows) => block(`${at}mlp.gate_up_proj.weight`, rows)),
    )
  })

  test('gives a bias that is added after the sum to rank 0 only', async () => {
    expect((await planOf('llama with biases, tied', 0)).read.has('attn_o_bias 0 -1')).toBe(true)
    const other = await planOf('llama with biases, tied', 1)
    expect(other.read.has('attn_o_bias 0 -1')).toBe(false)
    expect(other.read.get('attn_qkv_bias 0 -1')!.source).toMatchObject({ rows: 24, cols: 1 })
  })

  test('takes a tied lm_head from the rows of the embedding table', async () => {
    const { read, block } = await planOf('llama with biases, tied')
    expect(read.get('lm_head -1 -1')!.values).toEqual(block('model.embed_tokens.weight', [96, 160]))
  })

  test('cuts a shared expert and a dense layer in the proportion of the experts', async () => {
    const { read, block } = await planOf('qwen2_moe', 1, { ...split, ffn: { start: 2, count: 4 } })
    expect(read.get('expert_down 1 2')!.values).toEqual(
      block('model.layers.1.mlp.experts.2.down_proj.weight', [0, 16], [2, 6]),
    )
    expect(read.get('shared_down 1 -1')!.values).toEqual(
      block('model.layers.1.mlp.shared_expert.down_proj.weight', [0, 16], [5, 15]),
    )
    expect(read.get('ffn_down 0 -1')!.values).toEqual(block('model.layers.0.mlp.down_proj.weight', [0, 16], [6, 18]))
    expect(read.get('router 1 -1')!.source).toMatchObject({ rows: 3, cols: 16 })
  })

  test('takes gpt-oss’s experts out of their stacks: columns, gate and up still alternating', async () => {
    const { read, block } = await planOf('gpt_oss')
    const at = 'model.layers.1.mlp.experts.'
    // Expert 2 of three: [16, 48] each, the rank's eight FFN columns are 16 neighbouring values of every row.
    const inputs = Array.from({ length: 16 }, (_, i) => 2 * 16 + i)
    const gateUp = read.get('expert_gate_up 1 2')!
    expect(gateUp.source).toMatchObject({ rows: 16, cols: 16, stored: 'paired_columns' })
    expect(gateUp.values).toEqual(inputs.flatMap((row) => flat(`${at}gate_up_proj`, row * 48 + 16, 16)))
    const down = read.get('expert_down 1 2')!
    expect(down.source).toMatchObject({ rows: 16, cols: 8, stored: 'columns' })
    expect(down.values).toEqual(flat(`${at}down_proj`, (2 * 24 + 8) * 16, 8 * 16))
    // Biases come with gate and up apart.
    const pairs = flat(`${at}gate_up_proj_bias`, 2 * 48 + 16, 16)
    expect(read.get('expert_gate_up_bias 1 2')!.values).toEqual([
      ...pairs.filter((_, i) => i % 2 === 0),
      ...pairs.filter((_, i) => i % 2 === 1),
    ])
    expect(read.get('attn_sinks 1 -1')!.values).toEqual(block('model.layers.1.self_attn.sinks', [1, 3]))
    expect(read.has('expert_down_bias 1 2')).toBe(false)
    expect((await planOf('gpt_oss', 0)).read.get('expert_down_bias 1 2')!.source).toMatchObject({ rows: 16, cols: 1 })

    function flat(name: string, first: number, count: number): number[] {
      return [
        ...tensorsOf(testConfigs['gpt_oss']!)
          .get(name)!
          .values.subarray(first, first + count),
      ]
    }
  })

  test('leaves out what a rank has nothing of', async () => {
    const none = { start: 0, count: 0 }
    const { read, sources } = await planOf('qwen2', 1, {
      queryHeads: none,
      kvHeads: none,
      ffn: { start: 0, count: 24 },
      vocab: none,
    })
    expect([...read.keys()].filter((key) => /attn_(qkv|o)|lm_head/.test(key))).toEqual([])
    expect(read.has('ffn_down 0 -1')).toBe(true)
    expect(sources.every((source) => source.extents.every((extent) => extent.rows * extent.rowBytes > 0))).toBe(true)
  })

  test('of one rank reads every byte of the model that is used', async () => {
    using folder = temporaryFolder()
    for (const config of Object.values(testConfigs)) {
      const facts = modelFacts(config)
      const headers = await readHeaders(makeModel(folder.path, config))
      const stored = [...headers.values()].reduce((sum, header) => sum + header.bytes, 0)
      const tiedBytes = config['tie_word_embeddings'] ? 264 * 16 * 4 : 0
      expect(planBytes(loadPlan(facts, headers, wholeSplit(facts.decoder), 0))).toBe(stored + tiedBytes)
    }
  })
})

describe('tensors that do not fit the config', () => {
  const config = testConfigs['llama']!
  const load = async (change: (headers: TensorHeaders) => void) => {
    using folder = temporaryFolder()
    const headers = await readHeaders(makeModel(folder.path, config))
    change(headers)
    checkTensors(modelFacts(config), headers)
  }

  test('are missing: the name is said', async () => {
    await expect(load((headers) => headers.delete('model.layers.1.mlp.up_proj.weight'))).rejects.toMatchObject({
      code: 'model_tensor_missing',
      message: expect.stringContaining('model.layers.1.mlp.up_proj.weight'),
    })
  })

  test('have another shape: both are said', async () => {
    await expect(
      load((headers) => {
        headers.get('model.norm.weight')!.shape = [32]
      }),
    ).rejects.toMatchObject({ code: 'model_config_mismatch', message: expect.stringMatching(/\[32\].*\[16\]/) })
  })

  test('are stored in a dtype that cannot be read', async () => {
    await expect(
      load((headers) => {
        headers.get('model.norm.weight')!.dtype = 'F8_E4M3'
      }),
    ).rejects.toMatchObject({ code: 'model_unsupported', message: expect.stringContaining('F8_E4M3') })
  })

  test('have the prefix of a multimodal checkpoint: they are found', async () => {
    await load((headers) => {
      for (const [name, header] of Array.from(headers)) {
        headers.delete(name)
        headers.set(`language_model.${name}`, header)
      }
    })
  })
})
