/** Builds native/ with CMake into dist/native/. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import process from 'node:process'
import { root } from './bootstrap.mjs'
import { isInstalled, run } from './run.ts'
import { BuildError, sources } from './steps.ts'
import type { Step } from './steps.ts'

export const nativeFolder = 'dist/native'
export const addonFile = `${nativeFolder}/lanyard_engine.node`

export interface Sanitized {
  /** of the build folder, and for people */
  name: string
  folder: string
  /** GCC's names */
  sanitizers: string
  /** CMake targets, and the ctest programs among them */
  targets: string[]
  filter: string
}

/** The native tests once with everything that finds wrong reads and writes, and what has threads once for data races. */
export const sanitized: Sanitized[] = [
  {
    name: 'address and undefined behaviour',
    folder: `${nativeFolder}-address`,
    sanitizers: 'address,undefined',
    targets: ['lanyard_tests'],
    filter: '.',
  },
  {
    name: 'data races',
    folder: `${nativeFolder}-thread`,
    sanitizers: 'thread',
    targets: [
      'comm_collectives',
      'comm_failures',
      'comm_joining',
      'comm_links',
      'comm_overlap',
      'engine_ranks',
      'ops_threads',
    ],
    filter: '^(comm_|engine_ranks$|ops_threads$)',
  },
]

/** Builds the test programs under a sanitizer, without the addon. */
export function sanitizedStep({ name, folder, sanitizers, targets }: Sanitized): Step {
  return {
    name: path.basename(folder),
    title: `native tests against ${name}`,
    inputs: () => [...sources('native/**'), 'build/native.ts'],
    outputs: [`${folder}/CMakeCache.txt`],
    work: async (say) => {
      const generator = await checkTools()
      dropForeignCache(folder, generator)
      await cmake(
        [
          '-S',
          'native',
          '-B',
          folder,
          '-G',
          generator,
          '-DCMAKE_BUILD_TYPE=Release',
          '-DCMAKE_CXX_FLAGS_RELEASE=-O1',
          '-DLANYARD_ADDON=OFF',
          '-DLANYARD_TESTS=ON',
          `-DLANYARD_SANITIZE=${sanitizers}`,
        ],
        say,
      )
      await cmake(['--build', folder, '--parallel', jobs(), '--target', ...targets], say)
    },
  }
}

export const aarch64Folder = `${nativeFolder}-aarch64`

/** Builds the test programs for 64-bit Arm with a cross compiler; ctest then runs them under qemu-user. */
export const aarch64Step: Step = {
  name: path.basename(aarch64Folder),
  title: 'native tests for aarch64',
  inputs: () => [...sources('native/**'), 'build/native.ts'],
  outputs: [`${aarch64Folder}/CMakeCache.txt`],
  work: async (say) => {
    const generator = await checkTools()
    const emulator = await checkCrossTools()
    dropForeignCache(aarch64Folder, generator)
    await cmake(
      [
        '-S',
        'native',
        '-B',
        aarch64Folder,
        '-G',
        generator,
        '-DCMAKE_BUILD_TYPE=Release',
        '-DCMAKE_SYSTEM_NAME=Linux',
        '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
        `-DCMAKE_CXX_COMPILER=${crossCompiler}`,
        `-DCMAKE_CROSSCOMPILING_EMULATOR=${emulator};-L;/usr/aarch64-linux-gnu`,
        '-DLANYARD_ADDON=OFF',
        '-DLANYARD_TESTS=ON',
      ],
      say,
    )
    await cmake(['--build', aarch64Folder, '--parallel', jobs(), '--target', 'lanyard_tests'], say)
  },
}

/** `withTests` also builds the ctest and benchmark programs. */
export function nativeStep(withTests: boolean): Step {
  return {
    name: withTests ? 'native-tests' : 'native',
    title: withTests ? 'native engine and its tests' : 'native engine',
    inputs: () => [...sources('native/**'), 'build/native.ts', 'package-lock.json'],
    outputs: [addonFile],
    includes: withTests ? ['native'] : [],
    work: async (say) => {
      if (!existsSync(path.join(root, 'native', 'CMakeLists.txt'))) {
        throw new BuildError('native/CMakeLists.txt is missing: this checkout is not complete.')
      }
      const generator = await checkTools()
      dropForeignCache(nativeFolder, generator)
      await cmake(
        [
          '-S',
          'native',
          '-B',
          nativeFolder,
          '-G',
          generator,
          '-DCMAKE_BUILD_TYPE=Release',
          `-DLANYARD_ADDON_DIR=${path.join(root, nativeFolder)}`,
          `-DLANYARD_TESTS=${withTests ? 'ON' : 'OFF'}`,
        ],
        say,
      )
      await cmake(['--build', nativeFolder, '--parallel', jobs()], say)
    },
  }
}

const jobs = () => process.env.LANYARD_JOBS ?? String(availableParallelism())

// CMake refuses a build folder made with another generator or for a checkout that has been moved.
function dropForeignCache(folder: string, generator: string): void {
  const file = path.join(root, folder, 'CMakeCache.txt')
  if (!existsSync(file)) return
  const cache = readFileSync(file, 'utf8')
  const isOurs =
    cache.includes(`CMAKE_GENERATOR:INTERNAL=${generator}\n`) &&
    cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${path.join(root, 'native')}\n`)
  if (!isOurs) rmSync(path.join(root, folder), { recursive: true })
}

async function cmake(args: string[], say: (text: string) => void): Promise<void> {
  const result = await run('cmake', args, {
    cwd: root,
    timeoutMs: 30 * 60_000,
    onLine: (line) => {
      const progress = /^\[[^\]]*\]/.exec(line)
      if (progress) say(progress[0])
    },
  })
  if (result.status === 0) return
  const shown = result.output.split('\n').slice(-120).join('\n')
  const why = result.timedOut ? 'took over 30 minutes and was ended' : `failed (status ${result.status})`
  throw new BuildError(`${shown}\ncmake ${args.join(' ')} ${why}.`)
}

const crossCompiler = 'aarch64-linux-gnu-g++'

/** @returns the emulator to use. @throws BuildError that names what to install. */
async function checkCrossTools(): Promise<string> {
  if (process.arch === 'arm64') {
    throw new BuildError(
      'This computer is an aarch64 itself: npm test -- native runs the same tests without emulation.',
    )
  }
  const emulators = ['qemu-aarch64', 'qemu-aarch64-static']
  const installed = await Promise.all(emulators.map(isInstalled))
  const emulator = emulators.find((_name, index) => installed[index])
  if (emulator && (await isInstalled(crossCompiler))) return emulator
  throw new BuildError(
    `The tests for aarch64 need ${crossCompiler} and qemu-aarch64. Install with (Debian 12 or newer):\n` +
      '  sudo apt-get install -y --no-install-recommends g++-aarch64-linux-gnu qemu-user',
  )
}

/** @returns the CMake generator to use. @throws BuildError that names what to install. */
async function checkTools(): Promise<string> {
  if (process.platform === 'win32') return 'Visual Studio 17 2022'
  const compiler = process.env.CXX ?? (process.platform === 'darwin' ? 'c++' : 'g++')
  const has = {
    compiler: (await isInstalled(compiler)) || (await isInstalled('c++')),
    cmake: await isInstalled('cmake'),
    ninja: await isInstalled('ninja'),
    make: await isInstalled('make'),
  }
  const missing = [
    has.compiler ? undefined : { name: `a C++ compiler (${compiler})`, debian: 'g++', mac: 'xcode-select --install' },
    has.cmake ? undefined : { name: 'cmake', debian: 'cmake', mac: 'brew install cmake' },
    has.ninja || has.make ? undefined : { name: 'make or ninja', debian: 'make', mac: 'brew install ninja' },
  ].filter((tool) => tool !== undefined)
  if (missing.length > 0) {
    const names = missing.map((tool) => tool.name).join(', ')
    const command =
      process.platform === 'darwin'
        ? missing.map((tool) => tool.mac).join(' && ')
        : `sudo apt-get install -y --no-install-recommends ${missing.map((tool) => tool.debian).join(' ')}`
    throw new BuildError(`Missing to build the native engine: ${names}.\nInstall with: ${command}`)
  }
  return has.ninja ? 'Ninja' : 'Unix Makefiles'
}
