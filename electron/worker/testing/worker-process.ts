/** For tests: real worker processes with the fake engine, and what to ask of them. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { defaultSampling } from '../../contract/engine.ts'
import type { EngineSpec } from '../../contract/engine.ts'
import { connect } from '../../contract/rpc/peer.ts'
import type { Client } from '../../contract/rpc/contract.ts'
import { streamConnection } from '../../contract/rpc/stream-transport.ts'
import { workerContract, workerProtocol } from '../../contract/worker.ts'
import type { GenerateRequest, RankEvent, StepEvent, WorkerContract } from '../../contract/worker.ts'
import { isAlive } from '../lock.ts'
import { simulatedVocab } from './simulated-model.ts'

const here = path.dirname(fileURLToPath(import.meta.url))
export const script = path.join(here, '..', 'worker.ts')
export const fakeEngine = path.join(here, 'fake-engine.ts')

export interface WorkerProcess extends AsyncDisposable {
  pid: number
  client: Client<WorkerContract>
  exited: Promise<number | null>
  stderr(): string
  kill(signal: NodeJS.Signals): void
  hello(): Promise<Awaited<ReturnType<typeof hello>>>
  /** closes stdin, as a desktop that goes away does */
  leave(): Promise<number | null>
}

const hello = (client: Client<WorkerContract>) =>
  client.call('worker.hello', { protocol: workerProtocol }, { timeoutMs: 15_000 })

/** `run --stdio` or `attach` on a folder. */
export function startWorker(
  mode: 'stdio' | 'attach',
  folder: string,
  options: { lease?: number; env?: Record<string, string> } = {},
): WorkerProcess {
  const args = mode === 'stdio' ? ['run', '--stdio'] : ['attach']
  const child = spawn(process.execPath, [script, ...args, '--folder', folder, '--lease', String(options.lease ?? 60)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LANYARD_ENGINE: fakeEngine, ...options.env },
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
  const client = connect(streamConnection(child.stdout, child.stdin), workerContract)
  return {
    pid: child.pid!,
    client,
    exited,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    hello: () => hello(client),
    leave() {
      child.stdin.end()
      return exited
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
      client.close()
    },
  }
}

/** Runs another command of the worker to its end. */
export async function runWorkerCommand(
  args: string[],
  input: Buffer = Buffer.alloc(0),
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.on('error', () => undefined) // it may refuse before it has read everything
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, stdout, stderr }
}

export function temporaryFolder(): { path: string } & Disposable {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'lanyard-worker-'))
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Resolves when the condition holds; the test's own time limit is the deadline. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** A process that has ended but is not reaped yet does not run. */
export function isRunning(pid: number): boolean {
  return isAlive({ pid, started: '' })
}

/** Daemons that were started with this folder. */
export function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0run\0--folder\0${folder}\0`)
      } catch {
        return false
      }
    })
}

/** What the fake engine needs of a spec, and the schema of one. */
export function specOf(family = 'fake'): EngineSpec {
  const nothing = { start: 0, count: 0 }
  return {
    decoder: {
      family,
      hidden: 8,
      layers: 1,
      queryHeads: 1,
      kvHeads: 1,
      headDim: 8,
      ffn: 8,
      vocab: simulatedVocab,
      vocabUsed: simulatedVocab,
      context: 512,
      normEps: 1e-5,
      normPlusOne: false,
      activation: 'silu',
      embedScale: 1,
      attentionScale: 1,
      attentionSoftcap: 0,
      logitSoftcap: 0,
      qkNorm: false,
      ropes: [],
      layerRope: [],
      layerWindow: [],
      lognLength: 0,
      ntkLength: 0,
      experts: 0,
      expertsPerToken: 0,
      expertsNormalise: false,
      layerMoe: [],
    },
    split: { queryHeads: nothing, kvHeads: nothing, ffn: nothing, vocab: nothing },
    tensors: [],
    weights: 'stored',
    kv: { blocks: 64, blockSize: 16, dtype: 'f32' },
    maxStepTokens: 32,
    maxSequences: 8,
    device: { kind: 'cpu', index: 0, threads: 1 },
  }
}

export function generateOf(requestId: string, prompt: number[], more: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    deploymentId: 'd',
    requestId,
    prompt,
    maxTokens: 20,
    stopIds: [],
    minTokens: 0,
    ignoreStop: true,
    sampling: { ...defaultSampling, temperature: 0 },
    ...more,
  }
}

export interface StartedRank {
  pid: number
  events: RankEvent[]
  /** the end of the rank's stream */
  over: Promise<unknown>
}

/** Starts rank 0 of a group of one and waits until it is ready or has ended. */
export async function startRank(
  client: Client<WorkerContract>,
  options: { spec?: EngineSpec; deploymentId?: string } = {},
): Promise<StartedRank> {
  const { spec = specOf(), deploymentId = 'd' } = options
  const { pid } = await client.call('rank.start', {
    deploymentId,
    rank: 0,
    size: 1,
    key: Buffer.alloc(32, 1).toString('base64'),
    epoch: 1,
    bind: '',
    wire: 'f32',
  })
  const events: RankEvent[] = []
  const over = client
    .stream('rank.run', { deploymentId, rank: 0, peers: [{ host: '', port: 0 }], spec }, (event) => events.push(event))
    .catch((error: unknown) => error)
  await until(() => events.some((event) => event.kind === 'ready' || event.kind === 'ended'))
  return { pid, events, over }
}

/** Collects the token stream of deployment `d`. */
export function watchSteps(client: Client<WorkerContract>, received?: Record<string, number>) {
  const tokens = new Map<string, number[]>()
  const ended = new Map<string, StepEvent['ended'][number]>()
  const waiting: StepEvent['waiting'] = []
  const over = client
    .stream('deployment.steps', { deploymentId: 'd', received }, (event) => {
      for (const { requestId, tokens: news } of event.tokens)
        tokens.set(requestId, [...(tokens.get(requestId) ?? []), ...news.map((token) => token.id)])
      for (const end of event.ended) ended.set(end.requestId, end)
      waiting.push(...event.waiting)
    })
    .then(
      () => null,
      (error: unknown) => error,
    )
  return { tokens, ended, waiting, over }
}
