/** Which worker this is: its version, its content address, and where its files lie. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

export interface Bundle {
  version: string
  /** the bundle's content address, or `checkout` when the sources run as they are */
  hash: string
  /** what Node runs to start another process of this worker */
  script: string
  /** the native engine, which need not exist */
  engine: string
}

const here = path.dirname(fileURLToPath(import.meta.url))

/** Reads manifest.json beside the bundled file. In a checkout: package.json and dist/native. `LANYARD_ENGINE` names another engine. */
export function readBundle(): Bundle {
  const manifest = path.join(here, 'manifest.json')
  const bundled = existsSync(path.join(here, 'worker.mjs'))
  const root = path.resolve(here, '..', '..')
  const facts = JSON.parse(
    bundled && !existsSync(manifest)
      ? '{}'
      : readFileSync(bundled ? manifest : path.join(root, 'package.json'), 'utf8'),
  ) as {
    version?: string
    hash?: string
  }
  return {
    version: facts.version ?? '0.0.0',
    hash: bundled ? (facts.hash ?? path.basename(here)) : 'checkout',
    script: path.join(here, bundled ? 'worker.mjs' : 'worker.ts'),
    engine:
      process.env['LANYARD_ENGINE'] ??
      (bundled ? path.join(here, 'lanyard_engine.node') : path.join(root, 'dist', 'native', 'lanyard_engine.node')),
  }
}
