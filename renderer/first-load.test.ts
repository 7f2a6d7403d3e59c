import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { build } from 'vite'
import type { Rolldown } from 'vite'

/** What a browser loads before the first screen can be used, gzipped bytes of script. */
const limit = 250_000

type Chunk = Rolldown.OutputChunk

test(
  'the first screen loads at most 250 kB of gzipped script, and nothing from elsewhere',
  { timeout: 60_000 },
  async () => {
    // Otherwise React's development build would be measured.
    vi.stubEnv('NODE_ENV', 'production')
    const built = await build({
      configFile: path.resolve(import.meta.dirname, '../build/vite.config.ts'),
      logLevel: 'error',
      build: { write: false },
    })
    vi.unstubAllEnvs()
    const { output } = (Array.isArray(built) ? built[0] : built) as Rolldown.RolldownOutput
    const chunks = new Map(
      output.filter((file): file is Chunk => file.type === 'chunk').map((chunk) => [chunk.fileName, chunk]),
    )
    const entry = [...chunks.values()].find((chunk) => chunk.isEntry)!
    const chat = [...chunks.values()].find((chunk) => chunk.name === 'chat-screen')!
    const first = new Set<string>()
    const load = (chunk: Chunk): void => {
      if (first.has(chunk.fileName)) return
      first.add(chunk.fileName)
      for (const name of chunk.imports) load(chunks.get(name)!)
    }
    load(entry)
    load(chat)
    const sizes = [...first].map((name) => gzipSync(chunks.get(name)!.code).length)
    const total = sizes.reduce((a, b) => a + b, 0)
    process.stdout.write(`first load: ${total} bytes of gzipped script in ${first.size} files\n`)
    expect(first.size).toBeGreaterThan(2)
    expect(total).toBeGreaterThan(50_000)
    expect(total, `first load is ${total} bytes`).toBeLessThanOrEqual(limit)
    // The content policy would refuse it, and a window on a machine without a network would miss it.
    const styles = output.flatMap((file) =>
      file.type === 'asset' && file.fileName.endsWith('.css') ? [String(file.source)] : [],
    )
    expect(styles.length).toBeGreaterThan(0)
    expect(styles.filter((style) => /url\(\s*["']?(https?:)?\/\//.test(style))).toEqual([])
  },
)
