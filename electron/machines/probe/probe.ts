/** Looks a machine over without installing anything on it. */
import { LanyardError } from '../../contract/errors.ts'
import type { Hardware } from '../../contract/machine.ts'
import { runScript } from '../reach/reach.ts'
import type { Reach } from '../reach/reach.ts'
import { parseProbe } from './parse.ts'
import { probeScript } from './script.ts'

/** Takes well under a second, up to 10 s more when the NVIDIA driver hangs. Errors: `probe_failed`, and those of exec. */
export async function probeMachine(
  reach: Reach,
  now: () => number = Date.now,
  signal?: AbortSignal,
): Promise<Hardware> {
  const { code, stdout, stderr } = await runScript(reach, probeScript, [], {
    timeoutMs: 30_000,
    limit: 2 ** 18,
    signal,
  })
  if (code !== 0 && stdout === '') {
    throw new LanyardError(
      'probe_failed',
      `${reach.about} runs no shell script (status ${code}): ${stderr.trim().slice(0, 300)}`,
      'Its login shell must be one that runs commands (sh, bash, zsh, fish).',
    )
  }
  return parseProbe(stdout, reach.about, now())
}
