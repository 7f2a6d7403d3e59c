/** For tests: the port in front of a real worker and the native engine, with a model of their own or a fixture. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import OpenAI from 'openai'
import type { Plan } from '../electron/contract/plan.ts'
import { openModel, wholeSplit } from '../electron/models/models.ts'
import { makeModel } from '../electron/models/testing/make-model.ts'
import { fakeModels } from '../electron/serving/fake-served.ts'
import { startNativeDeployment } from '../electron/serving/native-engine.ts'
import type { RankHost } from '../electron/serving/rank-host.ts'
import type { Served } from '../electron/serving/served.ts'
import { startWorker, temporaryFolder } from '../electron/worker/testing/worker-process.ts'
import { small, writeMadeUpModel } from '../native/test/made-up.ts'
import { startOpenAiServer } from '../electron/openai/openai.ts'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
export const nativeEngine = path.join(root, 'dist', 'native', 'lanyard_engine.node')
const fixtures = path.resolve(root, '..', 'shared', 'fixtures', 'main')

/** A fixture's folder; null where the fixtures are not beside this checkout. */
export function fixture(name: string): string | null {
  const folder = path.join(fixtures, name)
  return existsSync(folder) ? folder : null
}

/** A random model with a token per byte and ChatML's special tokens. */
export function writeByteModel(folder: string): string {
  makeModel(folder, {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    intermediate_size: 16,
    vocab_size: 264,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
  })
  writeMadeUpModel(folder, { ...small, vocab: 264, context: 1024 })
  return folder
}

export interface Port extends AsyncDisposable {
  url: string
  client: OpenAI
}

/** Serves the model in `folder` as "m" on one rank. */
export async function serve(folder: string, context = 700): Promise<Port> {
  const own = temporaryFolder()
  const worker = startWorker('stdio', own.path, { env: { LANYARD_ENGINE: nativeEngine } })
  await worker.hello()
  const model = await openModel(folder)
  const splittable = model.splittable(context)
  const plan = {
    ranks: [
      {
        rank: 0,
        machineId: 'this',
        machineName: 'this',
        split: wholeSplit(splittable.decoder),
        device: { kind: 'cpu', index: 0, name: '', threads: 1 },
      },
    ],
    weights: 'stored',
    kvDtype: 'f32',
    kvBlocks: 200,
    kvBlockSize: 16,
    wire: 'bf16',
    maxSequences: 8,
    context,
  } as unknown as Plan
  const host = {
    machineId: 'this',
    name: 'this',
    kind: 'this',
    worker: { client: worker.client },
    hardware: { interfaces: [] },
    address: null,
    localAddress: null,
  } as unknown as RankHost
  const quiet = { rank: () => undefined, status: () => undefined, lost: () => undefined }
  const deployment = await startNativeDeployment(
    'd',
    plan,
    splittable,
    new Map([['this', host]]),
    quiet,
    new AbortController().signal,
  )
  const served: Served = {
    name: 'm',
    model: { ...model.info, id: 'm', addedAt: 0 },
    context,
    readyAt: Date.now(),
    onDemand: false,
    generate: (request, signal) => deployment.generate(request, signal),
  }
  const server = await startOpenAiServer({ served: fakeModels(served), textOf: () => model.text, port: 0 })
  return {
    url: server.url,
    client: new OpenAI({ baseURL: server.url, apiKey: 'none', maxRetries: 0 }),
    async [Symbol.asyncDispose]() {
      await server.close()
      await deployment.stop()
      await worker.leave()
      await worker[Symbol.asyncDispose]()
      own[Symbol.dispose]()
    },
  }
}
