/** `npm run dist`: packages for this system; `-- --dir` stops at the unpacked folder, dist/packages/<os>-unpacked. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { root } from './bootstrap.mjs'
import { buildAll } from './build.ts'
import { builderConfig } from './electron-builder.ts'
import { bundleShell } from './shell.ts'
import { BuildError } from './steps.ts'
import { bundleName } from './worker-bundle.ts'

export async function dist(args: string[]): Promise<number> {
  const unknown = args.filter((each) => each !== '--dir')
  if (unknown.length > 0) {
    console.error(`npm run dist [-- --dir]: ${unknown.join(' ')} is not known.`)
    return 2
  }
  const onlyFolder = args.includes('--dir')
  await buildAll()
  await bundleShell()
  const workers = readdirSync(path.join(root, 'dist', 'worker')).filter((name) => /^\w+-\w+$/.test(name))
  if (!workers.some((name) => name.startsWith('linux-'))) {
    throw new BuildError(
      `No worker for Linux machines in dist/worker (there: ${workers.join(', ')}). Copy it from a build on Linux.`,
    )
  }
  console.error(`workers: ${workers.join(', ')}`)

  const electronVersion = versionOf('electron')
  const electronDist = findElectron(electronVersion, onlyFolder)
  process.chdir(root)
  const { build, Platform } = await import('electron-builder')
  const platform = Platform.current()
  try {
    const made = await build({
      projectDir: root,
      targets: onlyFolder ? platform.createTarget('dir') : platform.createTarget(),
      config: builderConfig(electronVersion, electronDist),
      publish: 'never',
    })
    console.error(made.length > 0 ? made.join('\n') : path.join('dist', 'packages'))
  } catch (error) {
    throw new BuildError(`electron-builder: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
  return 0
}

function versionOf(name: string): string {
  return (
    JSON.parse(readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }
  ).version
}

/**
 * LANYARD_ELECTRON_DIST, else the binary that the electron package fetched, else (only for --dir) a stand-in that holds
 * what a package needs to be put together but does not start. Undefined lets electron-builder fetch Electron.
 */
function findElectron(version: string, standInAllowed: boolean): string | undefined {
  const named = process.env.LANYARD_ELECTRON_DIST
  if (named) return path.resolve(named)
  const fetched = path.join(root, 'node_modules', 'electron', 'dist')
  if (existsSync(path.join(fetched, 'version'))) return fetched
  if (!standInAllowed || process.platform !== 'linux') return undefined
  console.error(
    `Electron's binary is not here (npx install-electron fetches it): packing with a stand-in for ${bundleName}. ` +
      'The result shows what a package holds and does not start.',
  )
  return makeStandIn(version)
}

/** The marker after which Electron's binary keeps its fuses (electron/fuses, version 1): their number, one digit each. */
const fuseMarker = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX'
const fuseCount = 8

function makeStandIn(version: string): string {
  const folder = path.join(root, 'dist', 'cache', 'electron-stand-in')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(path.join(folder, 'resources'), { recursive: true })
  const fuses = Buffer.concat([
    Buffer.from(fuseMarker),
    Buffer.from([1, fuseCount]),
    Buffer.from('1'.repeat(fuseCount)),
  ])
  const script = '#!/bin/sh\necho "This package was made without Electron and does not start." >&2\nexit 1\n'
  writeFileSync(path.join(folder, 'electron'), Buffer.concat([Buffer.from(script), fuses, Buffer.from('\n')]), {
    mode: 0o755,
  })
  writeFileSync(path.join(folder, 'chrome-sandbox'), script, { mode: 0o755 })
  writeFileSync(path.join(folder, 'version'), version)
  writeFileSync(path.join(folder, 'LICENSE'), 'stand-in\n')
  return folder
}
