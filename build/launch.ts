/** `npm start`, `npm run lan`: build what changed, then run it in this terminal. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pinnedNode, root, runForeground } from './bootstrap.mjs'
import { buildAll } from './build.ts'
import { BuildError } from './steps.ts'

/** Electron where its binary and a display are there and `--headless` is not given; else the app without a window. */
export async function start(args: string[]): Promise<number> {
  await buildAll()
  const electron = args.includes('--headless') ? undefined : electronBinary()
  if (!electron) return runSource('electron/headless.ts', args)
  const { bundleShell } = await import('./shell.ts')
  await bundleShell()
  return runForeground(electron, [root, ...args])
}

/** The test LAN with a shell on its desktop. */
export async function lan(args: string[]): Promise<number> {
  await buildAll()
  return runSource('test/lan/cli.ts', args)
}

function runSource(file: string, args: string[]): Promise<number> {
  if (!existsSync(path.join(root, file))) throw new BuildError(`${file} is missing: this checkout is not complete.`)
  return runForeground(pinnedNode()!, [path.join(root, file), ...args])
}

/** The electron package comes without its binary; `npx install-electron` fetches it. */
function electronBinary(): string | undefined {
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return undefined
  const folder = path.join(root, 'node_modules', 'electron')
  const named = path.join(folder, 'path.txt')
  if (!existsSync(named)) return undefined
  const binary = path.join(folder, 'dist', readFileSync(named, 'utf8').trim())
  return existsSync(binary) ? binary : undefined
}
