/** Bundles Electron's side of the app: dist/app/main.mjs and dist/app/preload.cjs. */
import type { BuildOptions } from 'esbuild'
import { root } from './bootstrap.mjs'
import { BuildError, buildLock, runStep } from './steps.ts'
import type { Step } from './steps.ts'

export const shellFolder = 'dist/app'

/** Builds the shell where it is not current. @throws BuildError */
export async function bundleShell(): Promise<void> {
  using _lock = await buildLock()
  await runStep(shellStep())
}

function shellStep(): Step {
  return {
    name: 'shell',
    title: 'desktop shell',
    inputs: () => ['electron/main.ts', 'electron/preload.ts', 'build/shell.ts', 'package-lock.json'],
    outputs: [`${shellFolder}/main.mjs`, `${shellFolder}/preload.cjs`],
    work: async () => {
      const { build } = await import('esbuild')
      const common: BuildOptions & { metafile: true } = {
        absWorkingDir: root,
        bundle: true,
        metafile: true,
        platform: 'node',
        target: 'node24.11',
        // *.node: ssh2's optional speed-ups. Their install scripts do not run here; ssh2 goes on without them.
        external: ['electron', '*.node'],
        legalComments: 'eof',
        logLevel: 'silent',
        // headless.ts, which is inside, must not take itself for the program.
        define: { 'import.meta.main': 'false' },
      }
      // CommonJS packages inside an ESM file still use what CommonJS gives them.
      const banner = [
        "import { createRequire as lanyardRequire } from 'node:module'",
        'const require = lanyardRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname',
      ].join('\n')
      try {
        const main = await build({
          ...common,
          entryPoints: ['electron/main.ts'],
          outfile: `${shellFolder}/main.mjs`,
          format: 'esm',
          banner: { js: banner },
        })
        // A sandboxed preload is CommonJS and may require electron only.
        const preload = await build({
          ...common,
          entryPoints: ['electron/preload.ts'],
          outfile: `${shellFolder}/preload.cjs`,
          format: 'cjs',
          platform: 'browser',
        })
        return [main, preload].flatMap(({ metafile }) =>
          Object.keys(metafile.inputs).filter((file) => !file.startsWith('node_modules')),
        )
      } catch (error) {
        throw new BuildError(error instanceof Error ? error.message : String(error), { cause: error })
      }
    },
  }
}
