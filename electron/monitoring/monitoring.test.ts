import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { MachineSample, Samples } from '../contract/monitor.ts'
import { createHistory, createLog } from './monitoring.ts'

const sample = (at: number): MachineSample => ({
  machineId: 'm',
  at,
  cpu: 0,
  memoryUsed: 0,
  memoryTotal: 1,
  networkIn: 0,
  networkOut: 0,
  gpus: [],
})

test('a watcher gets the last 15 minutes first and then what is new', async () => {
  const history = createHistory()
  const minute = 60_000
  for (let m = 0; m <= 20; m++) history.machine(sample(m * minute))
  const seen: Samples[] = []
  const stop = new AbortController()
  const watching = history.watch((samples) => seen.push(samples), stop.signal)
  expect(seen[0]!.machines.map((s) => s.at / minute)).toEqual(Array.from({ length: 16 }, (_, i) => i + 5))
  history.machine(sample(21 * minute))
  stop.abort()
  await watching
  history.machine(sample(22 * minute))
  expect(seen.slice(1).map((s) => s.machines[0]!.at / minute)).toEqual([21])
})

test('log lines go to a private file and stay readable by source; a large file is rotated at start', () => {
  const home = mkdtempSync(join(tmpdir(), 'lanyard-log-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const log = createLog(home)
  log.write('info', 'app', 'started')
  log.write('warn', 'machine/gpu-1', 'away')
  expect(log.tail('machine', 10).map((line) => line.text)).toEqual(['away'])
  expect(log.tail(undefined, 1).map((line) => line.text)).toEqual(['away'])
  log.close()
  expect(readFileSync(join(home, 'logs', 'app.log'), 'utf8')).toMatch(/"source":"app","msg":"started"/)
  writeFileSync(join(home, 'logs', 'app.log'), 'x'.repeat(10 * 1024 * 1024))
  createLog(home).close()
  expect(readdirSync(join(home, 'logs')).sort()).toEqual(['app.1.log', 'app.log'])
})
