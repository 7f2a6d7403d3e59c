/** What each npm script does, under the pinned Node. `start.mjs` comes before this. */
import process from 'node:process'
import { BuildError } from './steps.ts'

type Verb = (args: string[]) => Promise<number>

const verbs: Record<string, () => Promise<Verb>> = {
  start: async () => (await import('./launch.ts')).start,
  build: async () => (await import('./build.ts')).build,
  test: async () => (await import('./test.ts')).test,
  lan: async () => (await import('./launch.ts')).lan,
  bench: async () => (await import('./bench.ts')).bench,
  lint: async () => (await import('./lint.ts')).lint,
  format: async () => (await import('./lint.ts')).format,
  dist: async () => (await import('./dist.ts')).dist,
}

/** Runs one verb. @returns the exit status: 0 done, 1 failed (said on stderr), 2 wrong usage. */
export async function runVerb(verb: string, args: string[]): Promise<number> {
  if (!Object.hasOwn(verbs, verb)) {
    console.error(`There is no "${verb}" here; there are: ${Object.keys(verbs).join(', ')}, cli.`)
    return 2
  }
  try {
    const run = await verbs[verb]!()
    return await run(args)
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    console.error(error.message)
    return 1
  }
}

if (import.meta.main) {
  const [verb = 'start', ...args] = process.argv.slice(2)
  process.exitCode = await runVerb(verb, args)
}
