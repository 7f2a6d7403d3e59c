/**
 * For tests: an engine that computes nothing, in the place of lanyard_engine.node (`LANYARD_ENGINE`). Tokens are those
 * of the simulated model. A decoder's family and a prompt's first token choose what goes wrong.
 */
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine, EngineAddon, Group, GroupOptions } from '../rank/addon.ts'
import { createSimulatedModel } from './simulated-model.ts'

/** Prompts that begin with these. */
export const crashToken = 96
export const lostToken = 95

export const createGroup: EngineAddon['createGroup'] = ({ rank, size, key }: GroupOptions): Group => {
  if (key.length !== 32) throw Object.assign(new Error('The key is not 32 bytes.'), { code: 'bad_request' })
  return {
    port: size > 1 ? 40_000 + rank : 0,
    connect: (peers) =>
      peers.length === size
        ? Promise.resolve()
        : Promise.reject(Object.assign(new Error('Rank 1 did not come.'), { code: 'group_timeout', rank: 1 })),
    measure: () => Promise.resolve(1),
    close: () => undefined,
  }
}

export const open: EngineAddon['open'] = async (spec, _group, onProgress): Promise<Engine> => {
  const { family } = spec.decoder
  if (family === 'too-big') throw Object.assign(new Error('4 GB are needed, 1 GB is free.'), { code: 'out_of_memory' })
  for (let part = 1; part <= 4; part++) {
    onProgress?.(part * 25, 100)
    await delay(5)
  }
  const model = createSimulatedModel(spec.kv.blocks, spec.kv.blockSize)
  const stepMs = Number(process.env['LANYARD_FAKE_STEP_MS'] ?? 1)
  const closed = Promise.withResolvers<void>()
  let steps = 0
  let last: Promise<unknown> = Promise.resolve()
  return {
    async step(sequences) {
      // One after the other, in the order they were given.
      const before = last
      const turn = Promise.withResolvers<void>()
      last = turn.promise
      await before
      await delay(stepMs)
      turn.resolve()
      const first = sequences.find((step) => step.start === 0)?.tokens[0]
      if (first === crashToken) process.abort()
      if (first === lostToken)
        throw Object.assign(new Error('Rank 1 (10.0.0.2) is gone.'), { code: 'rank_lost', rank: 1 })
      steps++
      return { tokens: model.step(sequences), micros: { total: stepMs * 1000, comm: 10, sample: 1, idle: 0 } }
    },
    follow: () => closed.promise,
    stats: () => ({
      weightBytes: 100,
      kvBytes: 50,
      workspaceBytes: 25,
      steps,
      tokens: 0,
      micros: { total: 0, comm: 0 },
      kernels: 'fake',
    }),
    abort: () => undefined,
    close() {
      // A native call that never returns.
      if (family === 'stuck') for (;;);
      closed.resolve()
    },
  }
}

export const measureCpu: EngineAddon['measureCpu'] = (threads) =>
  Promise.resolve({ readBytesPerSecond: 1e9 * threads, gemmFlops: 2e9, kernels: 'fake' })

export const dieWithParent: EngineAddon['dieWithParent'] = () => false
