/** `npm run bench -- NAME [ARGS…]`: the benchmark programs of native/bench/. They also run without Node. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { root, runForeground } from './bootstrap.mjs'
import { buildAll } from './build.ts'
import { nativeFolder } from './native.ts'
import { BuildError, sources } from './steps.ts'

/** A program bench_NAME is built from native/bench/NAME.cc; its place in the build folder is its CMake file's choice. */
export async function bench(args: string[]): Promise<number> {
  const names = sources('native/bench/*.cc').map((file) => path.basename(file, '.cc'))
  const [name, ...rest] = args
  if (name === undefined || !names.includes(name)) {
    console.error(`npm run bench -- ${names.join('|')} [ARGS…]`)
    return 2
  }
  await buildAll({ withTests: true })
  const program = [nativeFolder, `${nativeFolder}/comm`]
    .map((folder) => path.join(root, folder, `bench_${name}`))
    .find((file) => existsSync(file))
  if (!program) throw new BuildError(`bench_${name} was not built: native/CMakeLists.txt does not name it.`)
  return runForeground(program, rest)
}
