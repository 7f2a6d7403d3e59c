/** Runs one exported function of one module on the desktop of a test LAN, for `desktop.call`. */
import { pathToFileURL } from 'node:url'

const [module = '', name = ''] = process.argv.slice(2)
const send = (message: object) =>
  new Promise<void>((resolve) => (process.send ? process.send(message, () => resolve()) : resolve()))

process.once('message', (message: { input: unknown }) => {
  void (async () => {
    try {
      const loaded: Record<string, unknown> = await import(
        module.startsWith('file:') ? module : pathToFileURL(module).href
      )
      const called = loaded[name]
      if (typeof called !== 'function') throw new Error(`${module} exports no function ${name}`)
      const value: unknown = await called(message.input, (event: unknown) => void send({ event }))
      await send({ value: value ?? null })
    } catch (error) {
      const { code, hint } = error as { code?: string; hint?: string }
      await send({
        error: {
          message: error instanceof Error ? error.message : String(error),
          code,
          hint,
          stack: error instanceof Error ? error.stack : undefined,
        },
      })
    }
    process.exit()
  })()
})
