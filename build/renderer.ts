/** Builds renderer/ with Vite into dist/renderer/. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { root } from './bootstrap.mjs'
import { BuildError, sources } from './steps.ts'
import type { Step } from './steps.ts'

export const rendererFolder = 'dist/renderer'

export function rendererStep(): Step {
  return {
    name: 'renderer',
    title: 'window',
    inputs: () => [
      ...sources('renderer/**', 'electron/contract/**').filter((file) => !/\.test\.tsx?$/.test(file)),
      'build/renderer.ts',
      'build/vite.config.ts',
      'package-lock.json',
    ],
    outputs: [`${rendererFolder}/index.html`],
    work: async () => {
      if (!existsSync(path.join(root, 'renderer', 'index.html'))) {
        throw new BuildError('renderer/index.html is missing: this checkout is not complete.')
      }
      const { build } = await import('vite')
      try {
        await build({ configFile: path.join(root, 'build', 'vite.config.ts'), logLevel: 'error' })
      } catch (error) {
        throw new BuildError(error instanceof Error ? error.message : String(error), { cause: error })
      }
    },
  }
}
