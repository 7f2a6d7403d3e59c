// From whatever Node the user has (20 or newer) to installed packages and the pinned Node. No dependencies.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** The Node major the app, the worker and the tests run on. */
export const pinnedMajor = 24

/**
 * The Node that runs Lanyard: the one from npm where there is a package for this system, else the running one
 * if it is new enough (macOS). Undefined when there is neither.
 * @returns {string | undefined}
 */
export function pinnedNode() {
  const file = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
  const system = process.platform === 'win32' ? 'win' : process.platform
  const packaged = path.join(root, 'node_modules', `node-${system}-${process.arch}`, file)
  if (existsSync(packaged)) return packaged
  return Number(process.versions.node.split('.')[0]) >= pinnedMajor ? process.execPath : undefined
}

/**
 * Runs `verb` under the pinned Node, after fetching the packages where they are missing or not those of
 * package-lock.json. `cli` never fetches or builds: its output belongs to the command.
 * @param {string} verb
 * @param {string[]} args
 * @returns {Promise<number>} exit status
 */
export async function handOver(verb, args) {
  if (verb === 'cli') {
    const node = existsSync(path.join(root, 'node_modules')) ? pinnedNode() : undefined
    if (!node) {
      console.error('Lanyard is not prepared yet: run `npm run build` once, then try again.')
      return 1
    }
    // npm runs scripts in the checkout; file arguments are meant from where the user stands.
    const cwd = process.env.INIT_CWD ?? process.cwd()
    return runForeground(node, [path.join(root, 'electron', 'cli.ts'), ...args], { cwd })
  }
  if (!packagesAreCurrent() && !(await fetchPackages())) return 1
  const node = pinnedNode()
  if (!node) {
    console.error(
      `There is no packaged Node for ${process.platform}-${process.arch}: install Node ${pinnedMajor} ` +
        `(https://nodejs.org/en/download); this is ${process.version}.`,
    )
    return 1
  }
  const verbs = path.join(root, 'build', 'verbs.ts')
  if (sameFile(node, process.execPath)) {
    const { runVerb } = await import('./verbs.ts')
    return runVerb(verb, args)
  }
  return runForeground(node, [verbs, verb, ...args])
}

/**
 * Runs a program in this terminal and waits; signals are passed on, so that whoever stops us stops it.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>} its exit status; 128 + signal number when a signal ended it
 */
export function runForeground(program, args, { cwd = process.cwd(), env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env, stdio: 'inherit' })
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    const forward = signals.map((signal) => {
      // Ctrl-C reaches the whole foreground group: passing it on again would interrupt the child's clean end.
      const pass = () => void (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal))
      process.on(signal, pass)
      return () => process.off(signal, pass)
    })
    const end = (status) => {
      for (const stop of forward) stop()
      resolve(status)
    }
    child.once('error', (error) => {
      console.error(`${program} could not be started: ${error.message}`)
      end(1)
    })
    child.once('exit', (code, signal) => end(code ?? 128 + (os.constants.signals[signal] ?? 0)))
  })
}

const stampFile = path.join(root, 'node_modules', '.lanyard-packages')

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex')
}

function packagesAreCurrent() {
  if (!existsSync(path.join(root, 'node_modules'))) return false
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === lockHash()) return true
  if (!installedMatchesLock()) return false
  writeFileSync(stampFile, lockHash())
  return true
}

// After `npm install NAME` the lock is newer than our stamp while everything in it is there already.
function installedMatchesLock() {
  const installedFile = path.join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return false
  const wanted = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(
    ([name, entry]) =>
      name === '' || installed[name]?.version === entry.version || (!installed[name] && entry.optional === true),
  )
}

async function fetchPackages() {
  const began = performance.now()
  process.stderr.write('packages (npm ci) … ')
  // npm_execpath is npm's own script when npm started us; with it no second npm has to be found.
  const script = process.env.npm_execpath
  const [program, ...head] = script?.endsWith('.js') ? [process.execPath, script] : ['npm']
  const status = spawnSync(program, [...head, 'ci', '--loglevel=error', '--no-progress'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32' && program === 'npm',
    maxBuffer: 64 * 2 ** 20,
  })
  if (status.status !== 0) {
    process.stderr.write('failed\n')
    process.stderr.write(`${status.stdout ?? ''}${status.stderr ?? ''}${status.error?.message ?? ''}\n`)
    console.error('The packages could not be fetched: check the network or the registry npm is set to, then try again.')
    return false
  }
  writeFileSync(stampFile, lockHash())
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1)} s\n`)
  return true
}

function sameFile(a, b) {
  try {
    return realpathSync(a) === realpathSync(b)
  } catch {
    return false
  }
}
