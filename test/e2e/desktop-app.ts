/** The whole app, headless, on the desktop of a test LAN, driven by its own command line. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { locateGuideModel } from '../../electron/guide-model.ts'
import type { Lan, SpaceProcess } from '../lan/lan.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const node = process.execPath

/** The fixtures' folder, null in a clone without it. */
export const fixtures = ((folder) => (existsSync(folder) ? folder : null))(
  path.join(checkout, '..', 'shared', 'fixtures', 'main'),
)

/** The folder of the model in the box, null in a checkout without it. */
export const guideModel = locateGuideModel({ root: checkout })

export interface CommandResult<T = unknown> {
  code: number
  /** what --json printed */
  value: T
  stdout: string
  stderr: string
  /** the error as --json prints it */
  error: { code: string; message: string; hint: string } | null
}

export interface DesktopApp extends AsyncDisposable {
  readonly process: SpaceProcess
  readonly openaiPort: number
  /** with the one-time code */
  readonly windowUrl: string
  /** `lanyard ARGS --json` */
  lanyard<T = unknown>(...args: string[]): Promise<CommandResult<T>>
  close(): Promise<void>
}

/** Starts the app and waits until it says it is ready. */
export async function startDesktopApp(
  lan: Lan,
  options: { env?: NodeJS.ProcessEnv; args?: string[] } = {},
): Promise<DesktopApp> {
  const process_ = lan.desktop.spawn(
    node,
    [path.join(checkout, 'electron/headless.ts'), '--no-discovery', '--openai-port', '0', ...(options.args ?? [])],
    {
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  const ready = new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8')
      if (/OpenAI: \S+/.test(output)) resolve()
    }
    process_.child.stdout?.on('data', take)
    process_.child.stderr?.on('data', take)
    void process_.ended.then(({ code }) => reject(new Error(`The app ended with status ${code}: ${output}`)))
  })
  await ready
  const close = async (): Promise<void> => {
    process_.kill('SIGTERM')
    await process_.ended
  }
  return {
    process: process_,
    openaiPort: Number(/OpenAI: http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1]),
    windowUrl: /Window: (\S+)/.exec(output)?.[1] ?? '',
    async lanyard<T>(...args: string[]) {
      const words = [node, path.join(checkout, 'electron/cli.ts'), ...args, '--json'].map(
        (word) => `'${word.replaceAll("'", "'\\''")}'`,
      )
      const { code, stdout, stderr } = await lan.desktop.exec(`exec ${words.join(' ')} </dev/null`)
      return {
        code,
        stdout,
        stderr,
        value: parsed(stdout) as T,
        error: parsed(stderr.trim().split('\n').at(-1) ?? '') as CommandResult['error'],
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
