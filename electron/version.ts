/** The version of the app, from package.json in a checkout and inside a packaged app alike. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

function read(): string {
  // Sources lie one folder below package.json, a bundle two (dist/app/).
  for (const up of ['..', '../..']) {
    try {
      const { name, version } = JSON.parse(
        readFileSync(join(dirname(import.meta.filename), up, 'package.json'), 'utf8'),
      ) as { name?: string; version?: string }
      if (name === 'lanyard' && version) return version
    } catch {
      continue // not here
    }
  }
  return '0.0.0'
}

export const appVersion = read()
