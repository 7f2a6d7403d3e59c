/** The command line's own little languages: device lists, shares, sizes. Pure. */
import { LanyardError } from '../contract/errors.ts'
import type { DeviceChoice } from '../contract/plan.ts'

const form = 'Write machines as a,b or with devices as a:gpu0+gpu1,b:cpu,this:cpu*3.'

/**
 * `MACHINE[:DEVICES],…` with DEVICES = `gpu0+gpu1`, `cpu` or `cpu*N` (N ranks on that CPU). A machine alone
 * means its best devices. Throws `usage`.
 */
export function parseDevices(text: string): DeviceChoice[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const colon = part.lastIndexOf(':')
      const machine = colon < 0 ? part : part.slice(0, colon)
      if (machine === '') throw new LanyardError('usage', `"${part}" names no machine.`, form)
      return {
        machine,
        devices:
          colon < 0
            ? []
            : part
                .slice(colon + 1)
                .split('+')
                .flatMap((device) => parseDevice(device, part)),
      }
    })
}

function parseDevice(text: string, whole: string): DeviceChoice['devices'] {
  const gpu = /^gpu(\d+)$/.exec(text)
  if (gpu) return [{ kind: 'cuda', index: Number(gpu[1]) }]
  const cpu = /^cpu(?:\*(\d+))?$/.exec(text)
  const count = cpu ? Number(cpu[1] ?? 1) : 0
  if (count >= 1 && count <= 16) return Array.from({ length: count }, (_, index) => ({ kind: 'cpu' as const, index }))
  throw new LanyardError('usage', `"${text}" in "${whole}" is not a device.`, form)
}

/** `3:1` → [3, 1]. Throws `usage`. */
export function parseShares(text: string): number[] {
  const shares = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (shares.some((share) => !Number.isFinite(share) || share < 0) || shares.every((share) => share === 0)) {
    throw new LanyardError('usage', `"${text}" are not shares.`, 'Write one number per rank, for instance 3:1.')
  }
  return shares
}

/** A positive whole number. Throws `usage`. */
export function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new LanyardError('usage', `"${text}" is not a positive whole number.`)
  return value
}

/** A TCP port, 0 for any free one. Throws `usage`. */
export function parsePort(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65535)
    throw new LanyardError('usage', `"${text}" is not a port.`, 'Ports are 0 to 65535.')
  return value
}

/** Bytes for people: 3.2 GB. Decimal units, as disks and links are sold. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
