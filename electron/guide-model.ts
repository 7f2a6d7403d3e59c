/**
 * Where the built-in model is: in a packaged app beside the app (`resources/guide/`), in a checkout in
 * `build/guide-model/model/`, where `build/guide-model/` made it.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'

export interface GuidePlaces {
  /** Electron's `process.resourcesPath` when the app is packaged; undefined in a checkout */
  resourcesPath?: string | undefined
  /** the checkout */
  root: string
}

/** The folder of the built-in model; null where it is not there. */
export function locateGuideModel(places: GuidePlaces): string | null {
  const folder = places.resourcesPath
    ? path.join(places.resourcesPath, 'guide')
    : path.join(places.root, 'build', 'guide-model', 'model')
  return existsSync(path.join(folder, 'config.json')) ? folder : null
}
