/** What this computer must have for a test LAN. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const needed: Record<string, string> = {
  ip: 'iproute2',
  tc: 'iproute2',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  pivot_root: 'util-linux',
}

/** The folders of programs, system administration included: a plain user's PATH often lacks these. */
export const systemPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].join(delimiter)

function has(program: string): boolean {
  return systemPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Why a test LAN cannot run here, with the line that changes it; undefined when it can. */
export function missingForLan(): string | undefined {
  if (process.platform !== 'linux') return `The test LAN is made of Linux namespaces; this is ${process.platform}.`
  const missing = Object.keys(needed).filter((program) => !has(program))
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => needed[program]))].join(' ')
    return `The test LAN needs ${missing.join(', ')}: apt-get install -y --no-install-recommends ${packages}`
  }
  if (process.getuid?.() !== 0) return 'The test LAN makes network namespaces, which needs root: run it with sudo.'
  return undefined
}
