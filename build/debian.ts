/** Debian packages that only the tests need. The app itself needs none of them. */
import { existsSync } from 'node:fs'
import process from 'node:process'
import { isInstalled, run } from './run.ts'
import { BuildError } from './steps.ts'

const needed = [
  { package: 'openssh-server', file: '/usr/sbin/sshd' },
  { package: 'openssh-client', file: '/usr/bin/ssh-keygen' },
  { package: 'iproute2', file: '/usr/sbin/ip' },
  { package: 'curl', file: '/usr/bin/curl' },
  { package: 'chromium', file: '/usr/bin/chromium' },
]

/** Installs what is missing of `needed`: as root, or by sudo where it asks no password. @throws BuildError */
export async function installTestPackages(): Promise<void> {
  const missing = needed.filter(({ file }) => !existsSync(file)).map((entry) => entry.package)
  if (missing.length === 0) return
  const by = 'sudo apt-get update && sudo apt-get install -y --no-install-recommends'
  const hint = `The system tests need ${missing.join(', ')}. Install with:\n  ${by} ${missing.join(' ')}`
  if (process.platform !== 'linux' || !(await isInstalled('apt-get'))) {
    throw new BuildError(`${hint}\n(on Debian or Ubuntu; the other parts run alone: npm test -- native|lint|unit)`)
  }
  const isRoot = process.getuid?.() === 0
  if (!isRoot && (await run('sudo', ['-n', 'true'])).status !== 0) throw new BuildError(hint)
  const prefix = isRoot ? ['env'] : ['sudo', '-n', 'env']
  const began = performance.now()
  process.stderr.write(`Debian packages for the tests (${missing.join(' ')}) … `)
  const apt = async (...args: string[]) => {
    const [program, ...rest] = [...prefix, 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args]
    return run(program!, rest, { timeoutMs: 10 * 60_000 })
  }
  const results = [await apt('update'), await apt('install', '-y', '--no-install-recommends', ...missing)]
  const failed = results.at(-1)!.status !== 0 ? results.at(-1) : undefined
  if (failed) {
    process.stderr.write('failed\n')
    throw new BuildError(`${results.map((result) => result.output).join('\n')}\n${hint}`)
  }
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1)} s\n`)
}
