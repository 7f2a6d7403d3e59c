/**
 * The worker bundle: everything a machine needs to run a worker, in dist/worker/<os>-<arch>/ (os and arch as Node
 * names them, e.g. linux-x64):
 *
 *   node                 the pinned Node, without its debug symbols
 *   worker.mjs           electron/worker/worker.ts and all it imports, as one file
 *   lanyard_engine.node  the native engine
 *   lanyard-worker       `lanyard-worker run|attach|…`: starts worker.mjs on that node
 *   manifest.json        what is above, see BundleManifest
 *   worker.tar.gz        what is above without the manifest, for `tar -xzf -` on a machine; names without a folder
 *
 * Same inputs, same bytes: no times, owners or paths of this computer are in it. worker.tar.gz is two gzip members
 * after one another (RFC 1952 allows that; gzip and tar read them as one): the Node, which is kept between builds,
 * and the rest, so that a change of the worker's code is packed in milliseconds.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pinnedNode, root } from './bootstrap.mjs'
import { addonFile } from './native.ts'
import { isInstalled, run } from './run.ts'
import { BuildError } from './steps.ts'
import type { Step } from './steps.ts'
import { tarEnd, tarEntry } from './tar.ts'

/** manifest.json */
export interface BundleManifest {
  format: 1
  /** Lanyard's version */
  version: string
  os: string
  arch: string
  /**
   * Content address, which names the folder on machines: the first 32 hex digits of the SHA-256 over one line
   * `path mode bytes sha256\n` per file, in the order of `files`.
   */
  hash: string
  /** sorted by path (bytes); `mode` is octal as chmod takes it; `sha256` in hex */
  files: BundleFile[]
  archive: { path: string; bytes: number; sha256: string }
}

export interface BundleFile {
  path: string
  bytes: number
  sha256: string
  mode: '755' | '644'
}

export const bundleName = `${process.platform}-${process.arch}`
export const bundleFolder = `dist/worker/${bundleName}`
const entry = 'electron/worker/worker.ts'

export function workerBundleStep(): Step {
  return {
    name: 'worker-bundle',
    title: 'worker bundle',
    inputs: () => [
      entry,
      addonFile,
      nodeBinary(),
      'build/worker-bundle.ts',
      'build/tar.ts',
      'package.json',
      'package-lock.json',
    ],
    outputs: ['manifest.json', 'worker.tar.gz', 'node', 'worker.mjs'].map((file) => `${bundleFolder}/${file}`),
    work: async (say) => {
      if (!existsSync(path.join(root, entry)))
        throw new BuildError(`${entry} is missing: this checkout is not complete.`)
      say('bundling')
      const { code, inputs } = await bundleCode(entry)
      say('packing')
      await writeBundle([
        { path: 'node', mode: '755', content: await leanNode() },
        { path: 'worker.mjs', mode: '644', content: code },
        { path: 'lanyard_engine.node', mode: '644', content: readFileSync(path.join(root, addonFile)) },
        { path: 'lanyard-worker', mode: '755', content: Buffer.from(launcher) },
      ])
      return inputs
    },
  }
}

const launcher = `#!/bin/sh
# Starts Lanyard's worker on the Node beside this file.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 1
exec "$here/node" "$here/worker.mjs" "$@"
`

/** One ESM file for the pinned Node. @returns it and the checkout's files that went in (packages left out). */
async function bundleCode(file: string): Promise<{ code: Buffer; inputs: string[] }> {
  const { build } = await import('esbuild')
  const result = await build({
    entryPoints: [file],
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    legalComments: 'eof',
    logLevel: 'silent',
    // CommonJS packages inside an ESM file still call require for Node's own modules.
    banner: {
      js: "import { createRequire as lanyardRequire } from 'node:module';const require = lanyardRequire(import.meta.url);",
    },
  }).catch((error: unknown) => {
    throw new BuildError(error instanceof Error ? error.message : String(error), { cause: error })
  })
  const inputs = Object.keys(result.metafile.inputs).filter((name) => !name.startsWith('node_modules'))
  return { code: Buffer.from(result.outputFiles[0]!.contents), inputs }
}

function nodeBinary(): string {
  const file = pinnedNode()
  if (!file) throw new BuildError('The pinned Node is missing: run `npm ci`.')
  return path.relative(root, file)
}

/** The pinned Node without symbols (126 → 108 MB), kept in dist/cache. Without `strip` it is taken as it is. */
async function leanNode(): Promise<Buffer> {
  const original = path.resolve(root, nodeBinary())
  if (process.platform !== 'linux' || !(await isInstalled('strip'))) return readFileSync(original)
  const cached = path.join(root, 'dist', 'cache', `node-${process.version}-${bundleName}`)
  if (!existsSync(cached)) {
    mkdirSync(path.dirname(cached), { recursive: true })
    const partial = `${cached}.partial`
    const { status, output } = await run('strip', ['-o', partial, original])
    if (status !== 0) throw new BuildError(`strip failed on ${original}: ${output.trim()}`)
    renameSync(partial, cached)
  }
  return readFileSync(cached)
}

async function writeBundle(contents: { path: string; mode: BundleFile['mode']; content: Buffer }[]): Promise<void> {
  const folder = path.join(root, bundleFolder)
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  const sorted = contents.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const files = sorted.map(({ path: name, mode, content }): BundleFile => {
    writeFileSync(path.join(partial, name), content, { mode: parseInt(mode, 8) })
    return { path: name, bytes: content.length, sha256: sha256(content), mode }
  })
  const entries = sorted.map((file) => ({ ...file, bytes: tarEntry(file.path, parseInt(file.mode, 8), file.content) }))
  const node = entries.find((file) => file.path === 'node')!
  const rest = entries.filter((file) => file !== node).map((file) => file.bytes)
  const archive = Buffer.concat([
    await compressNode(node.bytes),
    await promisify(gzip)(Buffer.concat([...rest, tarEnd]), { level: 9 }),
  ])
  writeFileSync(path.join(partial, 'worker.tar.gz'), archive)
  const manifest: BundleManifest = {
    format: 1,
    version: (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }).version,
    os: process.platform,
    arch: process.arch,
    hash: contentAddress(files),
    files,
    archive: { path: 'worker.tar.gz', bytes: archive.length, sha256: sha256(archive) },
  }
  writeFileSync(path.join(partial, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  // A running worker keeps the files it has open; the next one finds either the old or the new folder.
  const old = `${folder}.old`
  rmSync(old, { recursive: true, force: true })
  if (existsSync(folder)) renameSync(folder, old)
  renameSync(partial, folder)
  rmSync(old, { recursive: true, force: true })
}

/** See BundleManifest.hash. */
export function contentAddress(files: BundleFile[]): string {
  const lines = files.map((file) => `${file.path} ${file.mode} ${file.bytes} ${file.sha256}\n`)
  return sha256(Buffer.from(lines.join(''))).slice(0, 32)
}

/** Seconds of work for 108 MB, so the result is kept in dist/cache under the content's hash. */
async function compressNode(entryBytes: Buffer): Promise<Buffer> {
  const cached = path.join(root, 'dist', 'cache', `node-${sha256(entryBytes).slice(0, 32)}.tar.gz`)
  if (existsSync(cached)) return readFileSync(cached)
  const compressed = await promisify(gzip)(entryBytes, { level: 6 })
  mkdirSync(path.dirname(cached), { recursive: true })
  writeFileSync(`${cached}.partial`, compressed)
  renameSync(`${cached}.partial`, cached)
  return compressed
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
