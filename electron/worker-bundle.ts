/**
 * Where the worker bundles are and what is in one. `build/worker-bundle.ts` makes them and documents the files;
 * in a packaged app they lie beside the app (`resources/worker/`), in a checkout in `dist/worker/`.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import * as z from 'zod/mini'
import { LanyardError } from './contract/errors.ts'

const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/))

/** manifest.json; see BundleManifest in build/worker-bundle.ts for what each field says. */
export const bundleManifest = z.object({
  format: z.literal(1),
  version: z.string(),
  os: z.string(),
  arch: z.string(),
  hash: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  files: z.array(
    z.object({
      path: z.string().check(z.regex(/^[\w.-]+$/)),
      bytes: z.number(),
      sha256,
      mode: z.enum(['755', '644']),
    }),
  ),
  archive: z.object({ path: z.string(), bytes: z.number(), sha256 }),
})
export type BundleManifest = z.infer<typeof bundleManifest>

export interface WorkerBundle {
  folder: string
  manifest: BundleManifest
  /** absolute path of the tar.gz to send to a machine */
  archive: string
}

export interface BundlePlaces {
  /** Electron's `process.resourcesPath` when the app is packaged; undefined in a checkout */
  resourcesPath?: string | undefined
  /** the checkout */
  root: string
}

/**
 * The bundle for machines of one kind; `target` is `<os>-<arch>` as Node names them, this computer's by default.
 * Reads the manifest, not the files: whoever sends or starts them checks their hashes.
 * @throws LanyardError worker_missing, worker_corrupt
 */
export function locateWorkerBundle(places: BundlePlaces, target = `${process.platform}-${process.arch}`): WorkerBundle {
  const parent = places.resourcesPath ?? path.join(places.root, 'dist')
  const folder = path.join(parent, 'worker', target)
  const file = path.join(folder, 'manifest.json')
  const hint = places.resourcesPath ? 'Install Lanyard again.' : 'Run `npm run build`.'
  if (!existsSync(file))
    throw new LanyardError('worker_missing', `There is no worker for ${target} machines (${file}).`, hint)
  let manifest: BundleManifest
  try {
    manifest = bundleManifest.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new LanyardError('worker_corrupt', `The list of the worker's files cannot be read: ${file}.`, hint, { cause })
  }
  for (const { path: name, bytes } of [...manifest.files, manifest.archive]) {
    const size = statSync(path.join(folder, name), { throwIfNoEntry: false })?.size
    if (size === bytes) continue
    const found = size === undefined ? 'is missing' : `has ${size} bytes instead of ${bytes}`
    throw new LanyardError('worker_corrupt', `The worker's file ${path.join(folder, name)} ${found}.`, hint)
  }
  return { folder, manifest, archive: path.join(folder, manifest.archive.path) }
}
