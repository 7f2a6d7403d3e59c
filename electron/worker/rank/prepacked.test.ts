/** Packed weights with the real engine: kept by the first start, mapped by the second, made again when they do not fit. */
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { EngineSpec } from '../../contract/engine.ts'
import { loadPlan, modelFacts, readHeaders, wholeSplit } from '../../models/models.ts'
import { readGolden, writeGoldenModel } from '../../models/testing/goldens/golden.ts'
import { generateOf, startRank, startWorker, temporaryFolder, until, watchSteps } from '../testing/worker-process.ts'

const root = path.resolve(import.meta.dirname, '..', '..', '..')
const engine = path.join(root, 'dist', 'native', 'lanyard_engine.node')
const hasMaps = existsSync('/proc/self/maps')
if (!existsSync(engine) || !hasMaps)
  console.log('Left out: packed weights with the real engine (not built, or no /proc).')

const golden = readGolden('qwen2_moe')
const { ids } = golden.prompts[2]!

async function specIn(model: string, weights: EngineSpec['weights'], { config, used } = golden): Promise<EngineSpec> {
  const facts = modelFacts(config, { vocabUsed: used })
  const split = wholeSplit(facts.decoder)
  return {
    decoder: facts.decoder,
    split,
    tensors: loadPlan(facts, await readHeaders(model), split, 0),
    weights,
    kv: { blocks: 16, blockSize: 16, dtype: 'f32' },
    maxStepTokens: 64,
    maxSequences: 2,
    device: { kind: 'cpu', index: 0, threads: 2 },
  }
}

const packedIn = (home: string): string | undefined => {
  const name = readdirSync(path.join(home, 'shards')).find((entry) => entry.endsWith('.packed'))
  return name && path.join(home, 'shards', name)
}

/** Serves once, until `kept` (packed weights are written behind the first answers); what was said, and whether they were mapped. */
async function serve(
  folder: string,
  spec: EngineSpec,
  kept: () => boolean = () => packedIn(folder) !== undefined,
  prompt = ids,
): Promise<{ tokens: number[]; mapped: boolean }> {
  await using worker = startWorker('stdio', folder, { env: { LANYARD_ENGINE: engine } })
  await worker.hello()
  const { pid, events } = await startRank(worker.client, { spec })
  expect(events.at(-1)).toMatchObject({ kind: 'ready' })
  const mapped = readFileSync(`/proc/${pid}/maps`, 'utf8').includes('.packed\n')
  const steps = watchSteps(worker.client)
  await worker.client.call('request.submit', generateOf('a', prompt, { maxTokens: 12 }))
  await until(() => steps.ended.has('a'))
  await until(kept)
  await worker.leave()
  return { tokens: steps.tokens.get('a')!, mapped }
}

describe.skipIf(!existsSync(engine) || !hasMaps)('packed weights', () => {
  test.each(['stored', 'int8', 'int4', 'int4:64'] as const)(
    '%s: kept, mapped, and made again when damaged or of other weights',
    async (weights) => {
      using folder = temporaryFolder()
      const model = writeGoldenModel(path.join(folder.path, 'model'), golden)
      const home = path.join(folder.path, 'home')
      const spec = await specIn(model, weights)
      const first = await serve(home, spec)
      expect(first).toEqual({ tokens: first.tokens, mapped: false })
      if (weights === 'stored') expect(first.tokens).toEqual(golden.prompts[2]!.greedy.slice(0, 12))

      const again = await serve(home, spec)
      expect(again).toEqual({ tokens: first.tokens, mapped: true })

      const file = packedIn(home)!
      const sound = readFileSync(file)
      const damaged = Buffer.from(sound)
      damaged[Math.floor(damaged.length / 2)]! ^= 4
      writeFileSync(file, damaged)
      const repaired = await serve(home, spec, () => readFileSync(file).equals(sound))
      expect(repaired).toEqual({ tokens: first.tokens, mapped: false })

      // The model's file is another one now.
      utimesSync(path.join(model, 'model.safetensors'), 1, 1)
      expect((await serve(home, spec, () => !readFileSync(file).equals(sound))).mapped).toBe(false)
      expect((await serve(home, spec)).mapped).toBe(true)
    },
    60_000,
  )

  test('the matrices of a latent are packed anew beside what is mapped', async () => {
    using folder = temporaryFolder()
    const latent = readGolden('deepseek_v3')
    const [prompt] = latent.prompts.slice(2)
    const spec = await specIn(writeGoldenModel(path.join(folder.path, 'model'), latent), 'stored', latent)
    const home = path.join(folder.path, 'home')
    for (const mapped of [false, true]) {
      expect(await serve(home, spec, undefined, prompt!.ids)).toEqual({ tokens: prompt!.greedy.slice(0, 12), mapped })
    }
  }, 60_000)
})
