/** Opens the native engine. Only rank processes do this. */
import { createRequire } from 'node:module'
import { LanyardError } from '../../contract/errors.ts'
import { readBundle } from '../bundle.ts'
import type { EngineAddon } from './addon.ts'
import { withEncodedPlans } from './step-plan.ts'

/** Throws `engine_unavailable`. */
export function loadEngine(): EngineAddon {
  const file = readBundle().engine
  try {
    const addon = createRequire(import.meta.url)(file) as EngineAddon
    // The channel's end is noticed by JavaScript, which a native call may hold up; the kernel needs nobody's attention.
    addon.dieWithParent()
    return withEncodedPlans(addon)
  } catch (error) {
    throw new LanyardError(
      'engine_unavailable',
      `The native engine ${file} does not load: ${error instanceof Error ? error.message : String(error)}`,
      'Install the worker on this machine again.',
      { cause: error },
    )
  }
}
