/**
 * Build steps: each runs when the content of its inputs changed since it last succeeded, else it is skipped
 * without a word. A step's key is kept in dist/.stamps/<name>.json.
 */
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { root } from './bootstrap.mjs'

/** A failure whose message is meant for the person at the terminal; no stack is printed for it. */
export class BuildError extends Error {}

export interface Step {
  name: string
  /** what the progress line says */
  title: string
  /** Files (absolute or relative to the checkout) whose content decides; read again after `work`. */
  inputs: () => string[]
  /** Files that must exist for the step to count as done. */
  outputs: string[]
  /** names of steps with the same inputs that are done with this one */
  includes?: string[]
  /** `say` replaces the progress text on a terminal. May return more inputs found while working. */
  work: (say: (text: string) => void) => Promise<string[] | void>
}

interface Stamp {
  key: string
  /** inputs found while working, relative to the checkout */
  found: string[]
}

/** Files matching `patterns` below the checkout, without dependencies and outputs; sorted. */
export function sources(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: root, exclude: (name) => name.includes('node_modules') })
    .filter((file) => statSync(path.join(root, file)).isFile())
    .sort()
}

/** Runs `step` unless it is done already. @returns true when it ran. @throws BuildError */
export async function runStep(step: Step): Promise<boolean> {
  const stampFile = path.join(root, 'dist', '.stamps', `${step.name}.json`)
  const stamp = readStamp(stampFile)
  const isDone =
    stamp !== undefined &&
    step.outputs.every((file) => existsSync(path.resolve(root, file))) &&
    stamp.key === contentKey([...step.inputs(), ...stamp.found])
  if (isDone) return false
  rmSync(stampFile, { force: true })
  const progress = startProgress(step.title)
  try {
    // Taken before the work: a file changed while it runs must make the step run again.
    const before = step.inputs()
    const key = contentKey(before)
    const found = ((await step.work(progress.say)) ?? []).map((file) => path.relative(root, path.resolve(root, file)))
    for (const file of step.outputs) {
      if (!existsSync(path.resolve(root, file))) throw new BuildError(`${step.title} ended without making ${file}.`)
    }
    const whole = key === contentKey(step.inputs()) ? contentKey([...before, ...found]) : 'changed meanwhile'
    mkdirSync(path.dirname(stampFile), { recursive: true })
    for (const name of [step.name, ...(step.includes ?? [])]) {
      writeFileSync(
        path.join(path.dirname(stampFile), `${name}.json`),
        JSON.stringify({ key: whole, found } satisfies Stamp),
      )
    }
    progress.done()
    return true
  } catch (error) {
    progress.failed()
    throw error
  }
}

/** SHA-256 over names and contents; of files above 4 MiB over size and time of change. A missing file counts. */
export function contentKey(files: string[]): string {
  const hash = createHash('sha256')
  for (const file of [...new Set(files)].sort()) {
    const absolute = path.resolve(root, file)
    const stat = statSync(absolute, { throwIfNoEntry: false })
    hash.update(`${file}\0${stat?.size ?? 'missing'}\0`)
    if (stat && stat.size > 4 * 2 ** 20) hash.update(String(stat.mtimeMs))
    else if (stat) hash.update(readFileSync(absolute))
  }
  return hash.digest('hex')
}

/** Only one build at a time in a checkout; a lock whose owner is gone is taken over. Released by `using`. */
export async function buildLock(): Promise<Disposable> {
  const file = path.join(root, 'dist', '.lock')
  mkdirSync(path.dirname(file), { recursive: true })
  let said = false
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return { [Symbol.dispose]: () => rmSync(file, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const owner = Number(existsSync(file) ? readFileSync(file, 'utf8') : '')
    if (owner && !isAlive(owner)) {
      rmSync(file, { force: true })
      continue
    }
    if (!said) process.stderr.write(`waiting for another build (process ${owner}) …\n`)
    said = true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function readStamp(file: string): Stamp | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Stamp
  } catch {
    return undefined
  }
}

function startProgress(title: string) {
  const began = performance.now()
  const isTerminal = process.stderr.isTTY === true
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
  let shown = ''
  const draw = () => {
    const width = (process.stderr.columns ?? 80) - 1
    process.stderr.write(`\r\x1b[K${`${title} … ${shown} ${seconds()}`.slice(0, width)}`)
  }
  if (!isTerminal) process.stderr.write(`${title} … `)
  const timer = setInterval(
    isTerminal ? draw : () => process.stderr.write(`${seconds()} … `),
    isTerminal ? 250 : 20_000,
  )
  timer.unref()
  const end = (text: string) => {
    clearInterval(timer)
    process.stderr.write(isTerminal ? `\r\x1b[K${title} … ${text}\n` : `${text}\n`)
  }
  return {
    say: (text: string) => {
      shown = text
    },
    done: () => end(seconds()),
    failed: () => end(`failed after ${seconds()}`),
  }
}
