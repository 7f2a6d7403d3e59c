/**
 * `npm run bench -- NAME [ARGS…]`: the benchmark programs. Those of native/bench/ also run without Node; those of
 * test/bench/ look at the whole, from its TypeScript side.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pinnedNode, root, runForeground } from './bootstrap.mjs'
import { buildAll } from './build.ts'
import { nativeFolder } from './native.ts'
import { BuildError, sources } from './steps.ts'

const namesIn = (pattern: string, ending: string): string[] =>
  sources(pattern).map((file) => path.basename(file, ending))

/** A program bench_NAME is built from native/bench/NAME.cc; its place in the build folder is its CMake file's choice. */
export async function bench(args: string[]): Promise<number> {
  const native = namesIn('native/bench/*.cc', '.cc')
  const scripts = namesIn('test/bench/*.ts', '.ts')
  const [name, ...rest] = args
  if (name === undefined || ![...native, ...scripts].includes(name)) {
    console.error(`npm run bench -- ${[...native, ...scripts].join('|')} [ARGS…]`)
    return 2
  }
  await buildAll({ withTests: true })
  if (scripts.includes(name))
    return runForeground(pinnedNode()!, [path.join(root, 'test', 'bench', `${name}.ts`), ...rest])
  const program = [nativeFolder, `${nativeFolder}/comm`]
    .map((folder) => path.join(root, folder, `bench_${name}`))
    .find((file) => existsSync(file))
  if (!program) throw new BuildError(`bench_${name} was not built: native/CMakeLists.txt does not name it.`)
  return runForeground(program, rest)
}
