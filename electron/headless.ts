/** Lanyard without a window: the app, a browser interface on loopback, and its addresses on stdout. */
import { parseArgs } from 'node:util'
import path from 'node:path'
import { createApp } from './app.ts'
import { parsePort } from './cli/arguments.ts'
import { printError } from './cli/output.ts'
import { LanyardError } from './contract/errors.ts'
import { lanyardHome } from './store/home.ts'

export interface StartOptions {
  uiPort: number
  openaiPort: number | undefined
  discovery: boolean
}

/** Arguments of `lanyard start`. Throws `usage`. */
export function parseStartArguments(args: string[]): StartOptions {
  try {
    const { values } = parseArgs({
      args,
      options: {
        headless: { type: 'boolean' },
        'ui-port': { type: 'string' },
        'openai-port': { type: 'string' },
        'no-discovery': { type: 'boolean' },
      },
    })
    return {
      uiPort: values['ui-port'] === undefined ? 0 : parsePort(values['ui-port']),
      openaiPort: values['openai-port'] === undefined ? undefined : parsePort(values['openai-port']),
      discovery: values['no-discovery'] !== true,
    }
  } catch (error) {
    if (error instanceof LanyardError) throw error
    throw new LanyardError(
      'usage',
      error instanceof Error ? error.message : String(error),
      'lanyard start [--headless] [--ui-port N] [--openai-port N] [--no-discovery]',
      { cause: error },
    )
  }
}

/** Runs until it is told to stop: by a signal, by `lanyard stop-app`, or by the last word of the terminal it was started from. */
export async function runHeadless(args: string[]): Promise<void> {
  const options = parseStartArguments(args)
  const root = path.dirname(import.meta.dirname)
  const ended = Promise.withResolvers<void>()
  const app = await createApp({
    home: lanyardHome(),
    root,
    renderer: path.join(root, 'dist', 'renderer'),
    resourcesPath: null,
    ...options,
    onStop: () => ended.resolve(),
  })
  process.stdout.write(`Lanyard is ready.\n  Window: ${app.pairingUrl() ?? '-'}\n  OpenAI: ${app.openaiUrl}\n`)
  const guide = app.guide()
  if (guide) process.stdout.write(`  Ask:    ${commandName()} chat ${guide} "How do I add a machine?"\n`)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ended.resolve())
  await ended.promise
  await app.close()
}

/** How the command line is called here: in a checkout it is not on the path. */
function commandName(): string {
  return process.env['npm_lifecycle_event'] === undefined ? 'lanyard' : 'npm run -s lanyard --'
}

if (import.meta.main) {
  try {
    await runHeadless(process.argv.slice(2))
    process.exit(0)
  } catch (error) {
    process.exit(printError(error, error instanceof LanyardError && error.code === 'usage'))
  }
}
