/** Whether a machine can run a worker bundle: a pure function of what the probe saw. */
import { LanyardError } from '../../contract/errors.ts'
import type { Hardware } from '../../contract/machine.ts'

/** The oldest C library our native parts start on; Node itself needs 2.28. */
export const oldestGlibc = '2.34'
const neededTools = ['tar', 'gzip', 'sha256sum', 'awk', 'df'] as const

/** Node's names for what `uname -m` prints. */
const archNames: Record<string, string> = { x86_64: 'x64', amd64: 'x64', x64: 'x64', aarch64: 'arm64', arm64: 'arm64' }

export type SupportFacts = Pick<Hardware, 'kernel' | 'arch' | 'glibc' | 'os' | 'tools'>

function olderThan(have: string, need: string): boolean {
  const [a = [], b = []] = [have, need].map((text) => text.split('.').map(Number))
  return (a[0] ?? 0) !== (b[0] ?? 0) ? (a[0] ?? 0) < (b[0] ?? 0) : (a[1] ?? 0) < (b[1] ?? 0)
}

/** The name of the bundle a machine needs, "linux-x64". Throws `machine_unsupported` with what is wrong and what would do. */
export function bundleNameFor(facts: SupportFacts, about: string): string {
  const no = (what: string, hint: string) =>
    new LanyardError('machine_unsupported', `${about} cannot run the worker: ${what}.`, hint)
  if (!facts.kernel.startsWith('Linux'))
    throw no(
      `it runs ${facts.os}, not Linux`,
      'Use a Linux machine; only this computer itself may run macOS or Windows.',
    )
  const arch = archNames[facts.arch]
  if (arch === undefined)
    throw no(
      `its processor is ${facts.arch}; there are workers for x86_64 and aarch64`,
      'Use a 64-bit PC or ARM server.',
    )
  if (facts.glibc === null)
    throw no(
      'its C library is not glibc (Alpine and others use musl)',
      'Use Debian, Ubuntu, Fedora, RHEL or another distribution with glibc.',
    )
  if (olderThan(facts.glibc, oldestGlibc))
    throw no(
      `its glibc is ${facts.glibc}; ${oldestGlibc} or newer is needed`,
      'Ubuntu 22.04, Debian 12, RHEL 9 or newer have it.',
    )
  const missing = neededTools.filter((tool) => !facts.tools.includes(tool))
  if (missing.length > 0)
    throw no(`it lacks ${missing.join(', ')}`, 'On that machine: sudo apt-get install -y tar gzip coreutils mawk.')
  return `linux-${arch}`
}

/** Throws `machine_unsupported` unless this very bundle runs there. */
export function checkSupport(facts: SupportFacts, bundle: { os: string; arch: string }, about: string): void {
  const needed = bundleNameFor(facts, about)
  const have = `${bundle.os}-${bundle.arch}`
  if (needed !== have)
    throw new LanyardError(
      'machine_unsupported',
      `${about} needs the ${needed} worker; this installation has the ${have} one.`,
      `Build it on a ${needed} computer: npm run build.`,
    )
}
