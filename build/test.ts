/**
 * `npm test`: all tests, or parts: `npm test -- native|lint|unit|system|sanitize|aarch64 [FILTER…]`. The last line is
 * `N passed, N failed` over everything that ran.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { pinnedNode, root } from './bootstrap.mjs'
import { buildAll } from './build.ts'
import { installTestPackages } from './debian.ts'
import { runChecks } from './lint.ts'
import { aarch64Folder, aarch64Step, nativeFolder, sanitized, sanitizedStep } from './native.ts'
import { run } from './run.ts'
import { BuildError, buildLock, runStep } from './steps.ts'

interface Figures {
  passed: number
  failed: number
  skipped: number
}

interface Stage {
  name: string
  timeoutMs: number
  run: (filters: string[], timeoutMs: number) => Promise<Figures>
  /** only when asked for by name */
  isExtra?: boolean
}

const minute = 60_000
const results = path.join(root, 'dist', 'test-results')

const stages: Stage[] = [
  { name: 'native', timeoutMs: 10 * minute, run: runNative },
  { name: 'lint', timeoutMs: 10 * minute, run: runLint },
  { name: 'unit', timeoutMs: 10 * minute, run: (...args) => runVitest('unit', ...args) },
  { name: 'system', timeoutMs: 25 * minute, run: (...args) => runVitest('system', ...args) },
  // Compiles the engine twice more: three to five minutes on two cores, beyond what every run should take.
  { name: 'sanitize', timeoutMs: 20 * minute, run: runSanitized, isExtra: true },
  // Compiles it once more for 64-bit Arm, and emulation is slow.
  { name: 'aarch64', timeoutMs: 30 * minute, run: runEmulated, isExtra: true },
]

export async function test(args: string[]): Promise<number> {
  const wanted = stages.filter((stage) => (args[0] === undefined ? !stage.isExtra : args[0] === stage.name))
  if (wanted.length === 0) {
    console.error(`There is no part "${args[0]}": npm test -- ${stages.map((stage) => stage.name).join('|')} [FILTER…]`)
    return 2
  }
  rmSync(results, { recursive: true, force: true })
  mkdirSync(results, { recursive: true })
  const lines: string[] = []
  const total: Figures = { passed: 0, failed: 0, skipped: 0 }
  const add = (name: string, figures: Figures, began: number, note = '') => {
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += figures[key]
    const skipped = figures.skipped > 0 ? `, ${figures.skipped} skipped` : ''
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    lines.push(`${name.padEnd(10)}${figures.passed} passed, ${figures.failed} failed${skipped}  (${seconds} s)${note}`)
  }

  const began = performance.now()
  try {
    if (wanted.some((stage) => stage.name === 'system')) await installTestPackages()
    if (wanted.some((stage) => stage.name !== 'lint' && !stage.isExtra)) await buildAll({ withTests: true })
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    console.error(error.message)
    add('build', { passed: 0, failed: 1, skipped: 0 }, began, '  nothing could be tested')
    return summary(lines, total)
  }

  for (const stage of wanted) {
    console.log(`\n── ${stage.name} ──`)
    const stageBegan = performance.now()
    const figures = await stage.run(args.slice(1), stage.timeoutMs)
    const empty = figures.passed + figures.failed === 0
    if (empty) figures.failed = 1
    add(stage.name, figures, stageBegan, empty ? '  no test ran' : '')
  }
  return summary(lines, total)
}

function summary(lines: string[], total: Figures): number {
  console.log(`\n── summary ──\n${lines.join('\n')}\n\n${total.passed} passed, ${total.failed} failed`)
  return total.failed === 0 ? 0 : 1
}

function runNative(filters: string[], timeoutMs: number): Promise<Figures> {
  return runCtest(nativeFolder, 'native', filters.length > 0 ? filters.join('|') : '.', timeoutMs)
}

async function runSanitized(_filters: string[], timeoutMs: number): Promise<Figures> {
  const total: Figures = { passed: 0, failed: 0, skipped: 0 }
  for (const one of sanitized) {
    try {
      using _lock = await buildLock()
      await runStep(sanitizedStep(one))
    } catch (error) {
      if (!(error instanceof BuildError)) throw error
      console.error(error.message)
      total.failed++
      continue
    }
    const figures = await runCtest(one.folder, path.basename(one.folder), one.filter, timeoutMs / sanitized.length)
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += figures[key]
  }
  return total
}

async function runEmulated(filters: string[], timeoutMs: number): Promise<Figures> {
  try {
    using _lock = await buildLock()
    await runStep(aarch64Step)
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    console.error(error.message)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  return runCtest(aarch64Folder, 'aarch64', filters.length > 0 ? filters.join('|') : '.', timeoutMs)
}

async function runCtest(folder: string, name: string, filter: string, timeoutMs: number): Promise<Figures> {
  const junit = path.join(results, `${name}.xml`)
  const args = ['--test-dir', path.join(root, folder), '--output-on-failure', '--no-tests=error', '-R', filter]
  const { status, timedOut } = await run('ctest', [...args, '--timeout', '300', '--output-junit', junit], {
    cwd: root,
    show: true,
    timeoutMs,
  })
  const suite = existsSync(junit) ? readFileSync(junit, 'utf8') : ''
  const figure = (attribute: string) => Number(new RegExp(`\\s${attribute}="(\\d+)"`).exec(suite)?.[1] ?? 0)
  const failed = figure('failures') + figure('errors')
  const skipped = figure('skipped') + figure('disabled')
  return crashAware({ passed: figure('tests') - failed - skipped, failed, skipped }, status, timedOut, timeoutMs)
}

async function runLint(): Promise<Figures> {
  const checks = await runChecks()
  const passed = checks.filter((check) => check.passed).length
  return { passed, failed: checks.length - passed, skipped: 0 }
}

interface VitestReport {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
}

async function runVitest(project: string, filters: string[], timeoutMs: number): Promise<Figures> {
  const file = path.join(results, `${project}.json`)
  const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const args = ['run', '--config', path.join(root, 'build', 'vitest.config.ts'), '--project', project]
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const { status, timedOut } = await run(pinnedNode()!, [vitest, ...args, ...reporters, ...filters], {
    cwd: root,
    show: true,
    timeoutMs,
  })
  const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VitestReport) : undefined
  const figures: Figures = {
    passed: report?.numPassedTests ?? 0,
    failed: report?.numFailedTests ?? 0,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  }
  return crashAware(figures, status, timedOut, timeoutMs)
}

/** A runner that failed without a failed test (a file that does not load, a crash, the time limit) counts as one. */
function crashAware(figures: Figures, status: number, timedOut: boolean, timeoutMs: number): Figures {
  if (timedOut) console.log(`ended after its limit of ${timeoutMs / minute} minutes`)
  return status !== 0 && figures.failed === 0 ? { ...figures, failed: 1 } : figures
}
