/** What this machine is made of, from /proc, /sys, the os module and nvidia-smi. */
import { access, constants, readFile, statfs } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'
import type { Hardware } from '../../contract/machine.ts'
import { memoryTotal } from './memory.ts'
import { readGpus } from './nvidia.ts'

export { createSampler } from './samples.ts'
export type { Sampler } from './samples.ts'

/** Programs that installing a worker and its GPUs may want. */
const wanted = ['sh', 'tar', 'gzip', 'sha256sum', 'nvidia-smi']

async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}

async function isProgram(name: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean)
  for (const folder of folders) {
    try {
      await access(path.join(folder, name), constants.X_OK)
      return true
    } catch {
      // Not in this folder.
    }
  }
  return false
}

/** CPU model and feature flags as /proc/cpuinfo has them (Arm calls them Features). */
export function cpuOf(cpuinfo: string): { model: string; flags: string[] } {
  const value = (pattern: RegExp): string => pattern.exec(cpuinfo)?.[1]?.trim() ?? ''
  return {
    model: value(/^model name\s*:(.*)$/m) || value(/^Model\s*:(.*)$/m),
    flags: value(/^(?:flags|Features)\s*:(.*)$/m)
      .split(/\s+/)
      .filter(Boolean),
  }
}

function systemName(release: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? os.type()
}

function glibcVersion(): string | null {
  if (process.platform !== 'linux' || !process.report) return null
  // Without this the report looks up host names, which can take seconds.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime ?? null
}

async function interfaces(): Promise<Hardware['interfaces']> {
  const found = Object.entries(os.networkInterfaces()).filter(([, addresses]) =>
    addresses?.some((address) => !address.internal),
  )
  return Promise.all(
    found.map(async ([name, addresses]) => {
      const speed = Number(await textOf(`/sys/class/net/${name}/speed`))
      return {
        name,
        addresses: (addresses ?? []).flatMap(({ cidr }) => cidr ?? []),
        speed: speed > 0 ? speed : null,
      }
    }),
  )
}

/** `folder` is where shards lie: its disk is the one that counts. */
export async function readHardware(folder: string): Promise<Hardware> {
  const [cpuinfo, release, disk, gpus, nets, tools] = await Promise.all([
    textOf('/proc/cpuinfo'),
    textOf('/etc/os-release'),
    statfs(folder),
    readGpus(),
    interfaces(),
    Promise.all(wanted.map(async (name) => ((await isProgram(name)) ? [name] : []))),
  ])
  const cpu = cpuOf(cpuinfo)
  return {
    hostname: os.hostname(),
    os: systemName(release),
    kernel: os.release(),
    arch: os.arch(),
    glibc: glibcVersion(),
    cpu: { model: cpu.model || (os.cpus()[0]?.model ?? ''), cores: os.availableParallelism(), flags: cpu.flags },
    memoryTotal: memoryTotal(),
    memoryFree: Math.min(process.availableMemory(), memoryTotal()),
    home: os.homedir(),
    diskFree: disk.bavail * disk.bsize,
    diskTotal: disk.blocks * disk.bsize,
    gpus,
    interfaces: nets,
    tools: tools.flat(),
    at: Date.now(),
  }
}
