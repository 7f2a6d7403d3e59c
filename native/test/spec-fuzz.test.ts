/** Engine specs, groups and plans as no planner would write them: refused with an Error, never a crash of the process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EngineSpec } from '../../electron/contract/engine.ts'
import { loadPlan, modelFacts, readHeaders, wholeSplit } from '../../electron/models/models.ts'
import { readGolden, writeGoldenModel } from '../../electron/models/testing/goldens/golden.ts'
import { small, writeMadeUpModel } from './made-up.ts'
import { addon, groupOptions, part, readJson, specOf } from './ranks.ts'

// Minutes by hand: LANYARD_FUZZ_SECONDS=300 npm test -- unit spec-fuzz
const seconds = Number(process.env.LANYARD_FUZZ_SECONDS ?? 2)

let folder = ''
const latent = () => path.join(folder, 'latent')
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lanyard-fuzz-'))
  writeMadeUpModel(folder, { ...small, hidden: 32, heads: 2, kvHeads: 1, ffn: 64, layers: 1, vocab: 128, context: 128 })
  writeGoldenModel(latent(), readGolden('deepseek_v3'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** mulberry32: a case is its seed alone. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const strange: unknown[] = [
  undefined, null, true, '', 'x', '0', -1, 0, 1, 2, 1.5, 63, 64, 65, 1e5, -0, NaN, Infinity, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300,
  [], {}, [null], [1, 'x'], { length: 2 ** 32 }, { length: -1 }, { length: NaN }, new Int32Array(3), new Uint8Array(0), Symbol('s'), 10n,
  () => 1, new Date(0), 'bf16', 'f32', 'int4', 'int4:64', 'int8', 'cuda',
]

/** Every place in a value: the object it is in and its key. A change may have put a value into itself. */
function places(value: unknown, found: [Record<string, unknown>, string][] = [], depth = 0): [Record<string, unknown>, string][] {
  if (depth > 5 || typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return found
  for (const key of Object.keys(value)) {
    found.push([value as Record<string, unknown>, key])
    places((value as Record<string, unknown>)[key], found, depth + 1)
  }
  return found
}

// Also over a getter that an earlier change left there.
function put(holder: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { configurable: true, enumerable: true, writable: true, value })
}

function change(value: unknown, random: (below: number) => number): void {
  const all = places(value)
  if (all.length === 0) return
  const [holder, key] = all[random(all.length)]!
  switch (random(6)) {
    case 0: delete holder[key]; break
    case 1: {
      const [other, name] = all[random(all.length)]!
      put(holder, key, other[name])
      break
    }
    case 2: {
      const held = holder[key]
      if (typeof held === 'number') put(holder, key, held + random(5) - 2)
      break
    }
    case 3: {
      const hidden = holder[key]
      let looks = 0
      // Another answer at the second look.
      Object.defineProperty(holder, key, { configurable: true, enumerable: true, get: () => (looks++ === 0 ? hidden : strange[random(strange.length)]) })
      break
    }
    default: put(holder, key, strange[random(strange.length)])
  }
}

test('no spec, group or plan brings the process down', async () => {
  const specs = await Promise.all([folder, folder, folder, latent()].map(async (model) => {
    const facts = modelFacts(readJson(path.join(model, 'config.json')))
    const split = wholeSplit(facts.decoder)
    return specOf(facts, split, loadPlan(facts, await readHeaders(model), split, 0))
  }))
  let opened = 0
  let refused = 0
  const started = performance.now()
  for (let seed = 0; performance.now() - started < seconds * 1000; seed++) {
    const random = generator(seed)
    const options = groupOptions(0, 1)
    const given = structuredClone(specs[seed % specs.length]!) as EngineSpec
    const plan = [part(0, [1, 2, 3], 0)]
    const target = [given, given, given, options, plan][random(5)]
    for (let changes = random(3); changes >= 0; changes--) change(target, random)
    try {
      const group = addon.createGroup(options)
      try {
        const engine = await addon.open(given, group)
        opened++
        await engine.step(plan)
        engine.close()
      } finally {
        group.close()
      }
    } catch (error) {
      refused++
      expect(error, `seed ${seed}`).toBeInstanceOf(Error)
    }
  }
  expect(opened).toBeGreaterThan(10)
  expect(refused).toBeGreaterThan(10)
}, (seconds + 20) * 1000)
