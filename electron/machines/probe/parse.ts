/** From the probe's lines to checked facts: what a machine prints is not trusted to be well-formed or harmless. */
import { LanyardError } from '../../contract/errors.ts'
import { hardware } from '../../contract/machine.ts'
import type { GpuFacts, Hardware } from '../../contract/machine.ts'

const longestValue = 4096
const mostItems = 256

/** Terminal escape sequences and control characters, taken out: names from a machine end up in logs and terminals. */
export function harmlessText(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex
      .replace(/\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-_]?/g, '')
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
  )
}

/** A number of at most 16 digits; undefined for `[N/A]` and the like. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,16}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : undefined
}

function gpuOf(line: string): GpuFacts | undefined {
  const fields = line.split(',').map((field) => field.trim())
  if (fields.length < 6) return undefined
  // a name may hold commas: it is what lies between the first and the last four fields
  const [index, name, [uuid = '', driver = '', total, free]] = [
    numberOf(fields[0]),
    fields.slice(1, -4).join(', '),
    fields.slice(-4),
  ]
  const memoryTotal = numberOf(total)
  if (index === undefined || name === '' || memoryTotal === undefined) return undefined
  return {
    index,
    name,
    uuid,
    driver,
    memoryTotal: memoryTotal * 2 ** 20,
    memoryFree: (numberOf(free) ?? memoryTotal) * 2 ** 20,
  }
}

function interfacesOf(addresses: string[], links: string[]): Hardware['interfaces'] {
  const found = new Map<string, Hardware['interfaces'][number]>()
  const named = (name: string) => {
    const existing = found.get(name)
    if (existing) return existing
    const made = { name, addresses: [], speed: null }
    found.set(name, made)
    return made
  }
  for (const link of links) {
    const [name = '', speed] = link.split(' ')
    const value = numberOf(speed)
    // -1: the driver does not know
    if (name !== '' && name !== 'lo') named(name).speed = value !== undefined && value > 0 ? value : null
  }
  for (const line of addresses) {
    const [device = '', address = ''] = line.split(' ')
    const name = device.replace(/[@:].*$/, '')
    if (name !== '' && name !== 'lo' && /^[0-9a-fA-F.:]+(\/\d+)?$/.test(address)) named(name).addresses.push(address)
  }
  return [...found.values()]
}

/** "2.36" from "glibc 2.36" or "ldd (Debian GLIBC 2.36-9) 2.36"; null for musl and others. */
export function glibcOf(text: string): string | null {
  if (!/glibc|gnu libc/i.test(text) || /musl/i.test(text)) return null
  return /(\d+\.\d+)(?!.*\d+\.\d+)/.exec(text)?.[1] ?? null
}

/** `at`: milliseconds since 1970. Throws `probe_failed` when the lines do not add up to a machine. */
export function parseProbe(output: string, about: string, at: number): Hardware {
  const values = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const tab = line.indexOf('\t')
    if (tab <= 0) continue
    const key = line.slice(0, tab)
    const list = values.get(key) ?? []
    if (list.length < mostItems)
      list.push(
        harmlessText(line.slice(tab + 1))
          .slice(0, longestValue)
          .trim(),
      )
    values.set(key, list)
  }
  const one = (key: string) => values.get(key)?.[0] ?? ''
  const kilobytes = (key: string) => (numberOf(one(key)) ?? 0) * 1024
  const facts = hardware.safeParse({
    hostname: one('hostname'),
    os: one('os') === 'Linux' && one('distribution') !== '' ? one('distribution') : one('os'),
    kernel: `${one('os')} ${one('kernel')}`,
    arch: one('arch'),
    glibc: glibcOf(one('libc')),
    cpu: {
      model: one('cpu') || 'unknown',
      cores: numberOf(one('cores')) ?? 1,
      flags: one('flags').split(' ').filter(Boolean),
    },
    memoryTotal: kilobytes('memory-total'),
    memoryFree: kilobytes('memory-free'),
    home: one('home'),
    diskFree: kilobytes('disk-free'),
    diskTotal: kilobytes('disk-total'),
    gpus: (values.get('gpu') ?? []).flatMap((line) => gpuOf(line) ?? []),
    interfaces: interfacesOf(values.get('address') ?? [], values.get('interface') ?? []),
    tools: values.get('tool') ?? [],
    at,
  })
  if (one('end') !== '1' || one('os') === '' || !facts.success) {
    throw new LanyardError(
      'probe_failed',
      `${about} did not say what it is: the answer is incomplete.`,
      `Try by hand: does "ssh ${about} uname -a" print one line, and nothing else?`,
    )
  }
  return facts.data
}
