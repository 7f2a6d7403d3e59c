/** Puts the worker on a machine, once per content, and takes everything away again. */
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { Transform } from 'node:stream'
import { LanyardError } from '../../contract/errors.ts'
import type { Hardware } from '../../contract/machine.ts'
import { harmlessText } from '../probe/parse.ts'
import { runScript } from '../reach/reach.ts'
import type { ExecResult, Reach } from '../reach/reach.ts'
import { inspectScript, placeScript, removeScript } from './scripts.ts'
import { checkSupport } from './support.ts'

/** A bundle on this computer, as build/worker-bundle.ts documents it. */
export type WorkerBundle = {
  folder: string
  manifest: {
    version: string
    os: string
    arch: string
    /** content address: names the folder on machines */
    hash: string
    files: { path: string; bytes: number; sha256: string; mode: string }[]
    archive: { path: string; bytes: number; sha256: string }
  }
  /** path of the tar.gz */
  archive: string
}

export type Installed = {
  /** path of `lanyard-worker` on the machine */
  launcher: string
  /** the folder that everything of Lanyard is in there, ~/.lanyard as an absolute path */
  folder: string
  /** bytes that were sent; 0: it was there already */
  sent: number
}

export type InstallOptions = { onBytes?: (sent: number, total: number) => void; signal?: AbortSignal }

/** What the marker, lock and rounding to blocks may take beyond the bytes themselves. */
const sparePerFile = 8192

/** `word<TAB>detail` lines of our scripts. Throws `worker_failed` when they did not run as they should. */
function outcomeOf(result: ExecResult, about: string, doing: string): Map<string, string> {
  const lines = result.stdout.split('\n').flatMap((line): [string, string][] => {
    const tab = line.indexOf('\t')
    return tab > 0 ? [[line.slice(0, tab), harmlessText(line.slice(tab + 1)).slice(0, 500)]] : []
  })
  const outcome = new Map(lines)
  const foreign = outcome.get('foreign')
  if (foreign !== undefined)
    throw new LanyardError(
      'worker_failed',
      `${foreign} on ${about} is a link or belongs to another user, so nothing was put there.`,
      `Look at it: ls -ld ${foreign}`,
    )
  if (outcome.size === 0)
    throw new LanyardError(
      'worker_failed',
      `${doing} on ${about} ended with status ${result.code}: ${harmlessText(result.stderr).trim().slice(0, 300) || 'it said nothing'}.`,
      'Try again; then look at that machine.',
    )
  return outcome
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`

function noSpace(about: string, needed: number, free: number): LanyardError {
  return new LanyardError(
    'no_space',
    `The worker needs ${gigabytes(needed)} (${needed} bytes) in the home folder on ${about}; ${gigabytes(free)} (${free} bytes) are free.`,
    'Free some space there: df -h ~; du -sh ~/* | sort -h.',
  )
}

/** Bytes that must be free while installing: the archive and what comes out of it lie there together for a moment. */
export function bytesNeeded(bundle: WorkerBundle): number {
  const { files, archive } = bundle.manifest
  return archive.bytes + files.reduce((sum, file) => sum + file.bytes, 0) + (files.length + 3) * sparePerFile
}

/**
 * Makes sure that the bundle's worker is whole on the machine: every file there is hashed; only when one is missing or
 * wrong is the archive sent. Errors: `no_space` (before sending when it can be seen), `worker_corrupt`, `machine_busy`
 * (another desktop is installing), `machine_unsupported`,
 * `worker_failed`, `machine_away`. Whatever the error, no partial file stays behind
 * unless the machine itself went away, and then the next installation removes it.
 */
export async function installWorker(
  reach: Reach,
  hardware: Hardware,
  bundle: WorkerBundle,
  options: InstallOptions = {},
): Promise<Installed> {
  const { manifest } = bundle
  const about = reach.about
  checkSupport(hardware, manifest, about)
  const wanted = manifest.files.flatMap((file) => [file.path, String(file.bytes), file.sha256])
  const before = outcomeOf(
    await runScript(reach, inspectScript, [manifest.hash, ...wanted], { timeoutMs: 120_000, signal: options.signal }),
    about,
    'Looking for the worker',
  )
  const there = before.get('complete')
  if (there !== undefined) return installedIn(there, 0)

  const needed = bytesNeeded(bundle)
  const free = Number(before.get('free') ?? NaN) * 1024
  if (free < needed) throw noSpace(about, needed, free)

  let bytesSent = 0
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytesSent += chunk.length
      options.onBytes?.(bytesSent, manifest.archive.bytes)
      done(null, chunk)
    },
  })
  const source = createReadStream(bundle.archive, { highWaterMark: 2 ** 18 })
  source.on('error', (error) => counter.destroy(error))
  const args = [
    manifest.hash,
    String(manifest.archive.bytes),
    manifest.archive.sha256,
    `${JSON.stringify(manifest, null, 2)}\n`,
    ...manifest.files.flatMap((file) => [file.path, file.mode, file.sha256]),
  ]
  const placing = await runScript(reach, placeScript, args, {
    stdin: source.pipe(counter),
    timeoutMs: Infinity,
    signal: options.signal,
  }).finally(() => source.destroy())
  const outcome = outcomeOf(placing, about, 'Installing the worker')
  const folder = outcome.get('done')
  if (folder !== undefined) return installedIn(folder, bytesSent)
  throw placingFailed(outcome, about, bundle, needed)
}

/** `folder` is ~/.lanyard/agents/<hash>. */
function installedIn(folder: string, sent: number): Installed {
  return { launcher: `${folder}/lanyard-worker`, folder: path.posix.dirname(path.posix.dirname(folder)), sent }
}

function placingFailed(
  outcome: Map<string, string>,
  about: string,
  bundle: WorkerBundle,
  needed: number,
): LanyardError {
  const again = 'Nothing of it was kept. Try again; if it stays so, check the network and the memory of both computers.'
  const full = outcome.get('no_space')
  if (full !== undefined) return noSpace(about, needed, Number(full) * 1024)
  if (outcome.has('busy'))
    return new LanyardError(
      'machine_busy',
      `Another installation is running on ${about} (process ${outcome.get('busy')}).`,
      'Wait for it to end, then try again.',
    )
  const short = outcome.get('short')
  if (short !== undefined)
    return new LanyardError(
      'worker_corrupt',
      `${short} of the worker's ${bundle.manifest.archive.bytes} bytes arrived on ${about}.`,
      again,
    )
  const corrupt = outcome.get('corrupt')
  if (corrupt !== undefined)
    return new LanyardError(
      'worker_corrupt',
      `What arrived on ${about} is not what was sent: the SHA-256 of the ${corrupt === 'archive' ? 'archive' : `file ${corrupt}`} differs.`,
      again,
    )
  return new LanyardError(
    'worker_failed',
    `The worker could not be installed on ${about}: ${outcome.get('failed') ?? 'for an unknown reason'}.`,
    'Look at the home folder there: ls -ld ~ ~/.lanyard; df -h ~.',
  )
}

/**
 * Stops the worker and its ranks and deletes `folder` (~/.lanyard), shards included. Resolves once nothing is left
 * there. Errors: `worker_failed` when something stays.
 */
export async function removeWorker(reach: Reach, folder: string): Promise<void> {
  const outcome = outcomeOf(
    await runScript(reach, removeScript, [folder], { timeoutMs: 120_000 }),
    reach.about,
    'Removing the worker',
  )
  const left = outcome.get('left')
  if (left !== undefined)
    throw new LanyardError(
      'worker_failed',
      `Not everything could be removed from ${reach.about}: ${left} left.`,
      'On that machine: ls -laR ~/.lanyard, then rm -rf ~/.lanyard.',
    )
}
