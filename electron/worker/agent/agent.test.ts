import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import type { LogLine, MachineSample } from '../../contract/monitor.ts'
import { workerProtocol } from '../../contract/worker.ts'
import { generateAlone } from '../testing/simulated-model.ts'
import {
  generateOf,
  isRunning,
  processesIn,
  runWorkerCommand,
  startRank,
  startWorker,
  temporaryFolder,
  until,
  watchSteps,
} from '../testing/worker-process.ts'

const limit = 30_000

describe('a worker on stdio', () => {
  test(
    'greets, tells its hardware, and refuses calls before a hello and other protocols',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('stdio', folder.path)
      await expect(worker.client.call('worker.hardware', {})).rejects.toMatchObject({ code: 'worker_version' })
      await expect(worker.client.call('worker.hello', { protocol: 99 })).rejects.toMatchObject({
        code: 'worker_version',
        message: `The worker speaks protocol ${workerProtocol}, Lanyard asked for 99.`,
      })
      expect(await worker.hello()).toMatchObject({
        protocol: workerProtocol,
        hash: 'checkout',
        pid: worker.pid,
        folder: folder.path,
        leaseSeconds: 60,
      })
      const hardware = await worker.client.call('worker.hardware', {})
      expect(hardware.cpu.cores).toBeGreaterThan(0)
      expect(hardware.memoryFree).toBeLessThanOrEqual(hardware.memoryTotal)
      expect(hardware.tools).toContain('sh')
      expect(hardware.diskFree).toBeGreaterThan(0)
    },
    limit,
  )

  test(
    'ends its ranks and itself when its client leaves',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('stdio', folder.path)
      await worker.hello()
      const rank = await startRank(worker.client)
      expect(isRunning(rank.pid)).toBe(true)
      expect(await worker.leave()).toBe(0)
      expect(isRunning(rank.pid)).toBe(false)
      expect(existsSync(path.join(folder.path, 'run', 'worker.lock'))).toBe(false)
    },
    limit,
  )

  test(
    'answers worker.stop before it ends',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('stdio', folder.path)
      expect(await worker.client.call('worker.stop', {})).toEqual({})
      expect(await worker.exited).toBe(0)
    },
    limit,
  )

  test(
    'a second one on the same folder waits for the first to end',
    async () => {
      using folder = temporaryFolder()
      await using first = startWorker('stdio', folder.path)
      await first.hello()
      await using second = startWorker('stdio', folder.path)
      const greeted = second.hello()
      await first.leave()
      expect((await greeted).pid).toBe(second.pid)
    },
    limit,
  )

  test(
    'a lock left by a process that is gone is no obstacle',
    async () => {
      using folder = temporaryFolder()
      mkdirSync(path.join(folder.path, 'run'))
      writeFileSync(path.join(folder.path, 'run', 'worker.lock'), JSON.stringify({ pid: process.pid, started: '1' }))
      await using worker = startWorker('stdio', folder.path)
      expect((await worker.hello()).pid).toBe(worker.pid)
    },
    limit,
  )

  test(
    'samples come while they are wanted, and log lines with those that were before',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('stdio', folder.path)
      await worker.hello()
      const samples: MachineSample[] = []
      const lines: LogLine[] = []
      const stop = new AbortController()
      const streams = [
        worker.client.stream('worker.samples', {}, (sample) => samples.push(sample), { signal: stop.signal }),
        worker.client.stream('worker.logs', { lines: 10 }, (line) => lines.push(line), { signal: stop.signal }),
      ]
      await until(() => samples.length > 0)
      expect(samples[0]!.cpu).toBeGreaterThanOrEqual(0)
      expect(samples[0]!.cpu).toBeLessThanOrEqual(1)
      expect(lines[0]!.text).toContain(`runs as process ${worker.pid}`)
      stop.abort()
      await Promise.all(streams)
    },
    limit,
  )

  test(
    'the CPU is measured once and remembered',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('stdio', folder.path)
      await worker.hello()
      const speed = await worker.client.call('worker.measure', {})
      expect(speed).toMatchObject({ gemmFlops: 2e9, kernels: 'fake' })
      const file = path.join(folder.path, 'measure.json')
      const kept = JSON.parse(readFileSync(file, 'utf8')) as { speed: { gemmFlops: number } }
      kept.speed.gemmFlops = 7
      writeFileSync(file, JSON.stringify(kept))
      expect((await worker.client.call('worker.measure', {})).gemmFlops).toBe(7)
    },
    limit,
  )
})

describe('a worker that detaches', () => {
  test(
    'outlives the connection, is the same for the next one, and only its user reaches it',
    async () => {
      using folder = temporaryFolder()
      await using first = startWorker('attach', folder.path)
      const { pid } = await first.hello()
      expect(pid).not.toBe(first.pid)
      expect(statSync(path.join(folder.path, 'run')).mode & 0o777).toBe(0o700)
      expect(statSync(path.join(folder.path, 'run', 'worker.sock')).mode & 0o777).toBe(0o600)
      expect(await first.leave()).toBe(0)
      expect(isRunning(pid)).toBe(true)
      // A session of its own: the end of the one it was started in does not reach it.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      expect(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3])).toBe(pid)
      await using second = startWorker('attach', folder.path)
      await using third = startWorker('attach', folder.path)
      expect(await Promise.all([second.hello(), third.hello()])).toMatchObject([{ pid }, { pid }])
      expect(await runWorkerCommand(['stop', '--folder', folder.path])).toMatchObject({ code: 0, stderr: '' })
      expect(isRunning(pid)).toBe(false)
      expect([await second.exited, await third.exited]).toEqual([0, 0])
    },
    limit,
  )

  test(
    'two that attach at once start one worker',
    async () => {
      using folder = temporaryFolder()
      await using first = startWorker('attach', folder.path)
      await using second = startWorker('attach', folder.path)
      const [a, b] = await Promise.all([first.hello(), second.hello()])
      expect(a.pid).toBe(b.pid)
      await first.client.call('worker.stop', {})
      // The one that came too late for the lock may be starting still.
      await until(() => processesIn(folder.path).length === 0)
    },
    limit,
  )

  test(
    'works in a folder whose path is longer than a socket address',
    async () => {
      using folder = temporaryFolder()
      const long = path.join(folder.path, 'a'.repeat(120))
      await using worker = startWorker('attach', long)
      const { pid, folder: where } = await worker.hello()
      expect(where).toBe(long)
      await worker.client.call('worker.stop', {})
      await until(() => !isRunning(pid))
    },
    limit,
  )

  test(
    'ends with its ranks when nobody has been attached for the lease, and leaves nothing in run/',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('attach', folder.path, { lease: 1 })
      const { pid, leaseSeconds } = await worker.hello()
      expect(leaseSeconds).toBe(1)
      const rank = await startRank(worker.client)
      await new Promise((resolve) => setTimeout(resolve, 1200)) // attached longer than the lease: nothing may happen
      expect(isRunning(rank.pid)).toBe(true)
      await worker.leave()
      await until(() => !isRunning(pid))
      expect(isRunning(rank.pid)).toBe(false)
      for (const name of ['worker.sock', 'worker.lock', 'worker.json'])
        expect(existsSync(path.join(folder.path, 'run', name))).toBe(false)
    },
    limit,
  )

  test(
    'killed with -9 it takes its ranks along, and the next attach starts a new one',
    async () => {
      using folder = temporaryFolder()
      await using worker = startWorker('attach', folder.path)
      const { pid } = await worker.hello()
      const rank = await startRank(worker.client)
      process.kill(pid, 'SIGKILL')
      await until(() => !isRunning(rank.pid))
      await worker.exited
      await using next = startWorker('attach', folder.path)
      const again = await next.hello()
      expect(again.pid).not.toBe(pid)
      await next.client.call('worker.stop', {})
      await until(() => !isRunning(again.pid))
    },
    limit,
  )

  test(
    'an idle one of another version gives way; one with ranks stays, and attach says so',
    async () => {
      using folder = temporaryFolder()
      const identity = path.join(folder.path, 'run', 'worker.json')
      const pretend = (): void =>
        writeFileSync(
          identity,
          JSON.stringify({ ...(JSON.parse(readFileSync(identity, 'utf8')) as object), hash: 'other' }),
        )
      await using first = startWorker('attach', folder.path)
      const { pid } = await first.hello()
      pretend()
      await using second = startWorker('attach', folder.path)
      const other = await second.hello()
      expect(other.pid).not.toBe(pid)
      await until(() => !isRunning(pid))

      await startRank(second.client)
      pretend()
      await using third = startWorker('attach', folder.path)
      await expect(third.hello()).rejects.toMatchObject({ code: 'worker_version', hint: 'Stop its deployments first.' })
      expect(isRunning(other.pid)).toBe(true)
      expect(JSON.parse(third.stderr())).toMatchObject({ code: 'worker_version' })
      await second.client.call('worker.stop', {})
      await until(() => !isRunning(other.pid))
    },
    limit,
  )

  test(
    'a client that drops and comes back gets every token once',
    async () => {
      using folder = temporaryFolder()
      await using first = startWorker('attach', folder.path, { env: { LANYARD_FAKE_STEP_MS: '10' } })
      const { pid } = await first.hello()
      const rank = await startRank(first.client)
      const before = watchSteps(first.client)
      const request = generateOf('a', [1, 2, 3], { maxTokens: 150 })
      const gone = generateOf('b', [4, 5], { maxTokens: 12 })
      await first.client.call('request.submit', request)
      await first.client.call('request.submit', gone)
      await until(() => (before.tokens.get('a')?.length ?? 0) >= 5)
      first.kill('SIGKILL')
      await first.exited

      await using second = startWorker('attach', folder.path)
      await second.hello()
      expect((await second.client.call('rank.list', {})).ranks).toMatchObject([
        { deploymentId: 'd', rank: 0, pid: rank.pid, state: 'ready' },
      ])
      const seen = Object.fromEntries([...before.tokens].map(([id, tokens]) => [id, tokens.length]))
      const after = watchSteps(second.client, { ...seen, b: seen['b'] ?? 0, unknown: 3 })
      await until(() => after.ended.size === 3)
      expect([...before.tokens.get('a')!, ...after.tokens.get('a')!]).toEqual(generateAlone(request, 1).tokens)
      expect([...(before.tokens.get('b') ?? []), ...(after.tokens.get('b') ?? [])]).toEqual(
        generateAlone(gone, 1).tokens,
      )
      expect(after.ended.get('a')!.reason).toBe('length')
      expect(after.ended.get('unknown')).toMatchObject({ reason: 'failed', problem: { code: 'not_found' } })
      await second.client.call('worker.stop', {})
      await until(() => !isRunning(pid))
    },
    limit,
  )
})
