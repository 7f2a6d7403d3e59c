/** Devices as the planner sees them, and the ones that a request names. */
import { LanyardError } from '../contract/errors.ts'
import type { Machine } from '../contract/machine.ts'
import type { DeviceChoice, PlanRank } from '../contract/plan.ts'

export interface PlanDevice {
  machineId: string
  machineName: string
  kind: 'cpu' | 'cuda'
  index: number
  name: string
  /** CPU cores; 1 for a GPU */
  threads: number
  memoryFree: number
  memoryTotal: number
  /** measured speed of reading weights; null: not measured */
  readBytesPerSecond: number | null
  /** measured matrix-matrix speed; null: not measured */
  gemmFlops: number | null
}

/** One device of a plan after sharing it with other ranks on it. */
export interface Seat {
  device: PlanRank['device']
  machineId: string
  machineName: string
  /** bytes that this plan may use of the device, for all ranks on it together */
  usable: number
  free: number
  /** names the device: ranks with the same one share its memory */
  place: string
  speed: number
  flops: number
  measured: boolean
}

/** Where nothing is measured: what a common device of its kind does, said to be an estimate. */
const assumed = {
  cpu: { readBytesPerSecond: 1.2e10, gemmFlops: 1e11 },
  cuda: { readBytesPerSecond: 4e11, gemmFlops: 3e13 },
}

/** Left for the system and everything else on the machine. */
const usableFraction = { cpu: 0.9, cuda: 0.95 }

const placeOf = (device: PlanDevice) => `${device.machineId} ${device.kind}${device.index}`

/** Several ranks on one device share its cores, its memory and its speed. */
export function seatsOf(devices: readonly PlanDevice[]): Seat[] {
  const ranksAt = Map.groupBy(devices, placeOf)
  return devices.map((device) => {
    const place = placeOf(device)
    const ranks = ranksAt.get(place)!.length
    return {
      device: {
        kind: device.kind,
        index: device.index,
        name: device.name,
        threads: Math.max(1, Math.floor(device.threads / ranks)),
      },
      machineId: device.machineId,
      machineName: device.machineName,
      usable: Math.floor(device.memoryFree * usableFraction[device.kind]),
      free: device.memoryFree,
      place,
      speed: (device.readBytesPerSecond ?? assumed[device.kind].readBytesPerSecond) / ranks,
      flops: (device.gemmFlops ?? assumed[device.kind].gemmFlops) / ranks,
      measured: device.readBytesPerSecond !== null,
    }
  })
}

function cpuOf(machine: Machine, hardware: NonNullable<Machine['hardware']>): PlanDevice {
  return {
    machineId: machine.id,
    machineName: machine.name,
    kind: 'cpu',
    index: 0,
    name: hardware.cpu.model,
    threads: hardware.cpu.cores,
    memoryFree: hardware.memoryFree,
    memoryTotal: hardware.memoryTotal,
    readBytesPerSecond: machine.cpuSpeed?.readBytesPerSecond ?? null,
    gemmFlops: machine.cpuSpeed?.gemmFlops ?? null,
  }
}

function gpusOf(machine: Machine, hardware: NonNullable<Machine['hardware']>): PlanDevice[] {
  return hardware.gpus.map((gpu) => ({
    machineId: machine.id,
    machineName: machine.name,
    kind: 'cuda',
    index: gpu.index,
    name: gpu.name,
    threads: 1,
    memoryFree: gpu.memoryFree,
    memoryTotal: gpu.memoryTotal,
    readBytesPerSecond: null,
    gemmFlops: null,
  }))
}

/**
 * The devices of a request in rank order. A machine alone means its best: all GPUs if GPUs can be used, else the CPU.
 * An empty list means the machine of kind `this`.
 * @param options.cuda whether this build has a GPU engine
 * Throws `not_found`, `machine_away` (no hardware known), `device_missing`.
 */
export function planDevices(
  machines: readonly Machine[],
  on: readonly DeviceChoice[],
  options: { cuda: boolean },
): PlanDevice[] {
  const own = machines.find((machine) => machine.kind === 'this')
  const choices = on.length > 0 ? on : own ? [{ machine: own.id, devices: [] }] : []
  return choices.flatMap((choice) => {
    const machine =
      machines.find(({ id }) => id === choice.machine) ?? machines.find(({ name }) => name === choice.machine)
    if (!machine) {
      throw new LanyardError(
        'not_found',
        `There is no machine called ${choice.machine}.`,
        `Known are ${machines.map(({ name }) => name).join(', ')}.`,
      )
    }
    const { hardware } = machine
    if (!hardware) {
      throw new LanyardError(
        'machine_away',
        `The hardware of ${machine.name} is not known.`,
        'Connect the machine first.',
      )
    }
    const gpus = gpusOf(machine, hardware)
    if (choice.devices.length === 0) return options.cuda && gpus.length > 0 ? gpus : [cpuOf(machine, hardware)]
    return choice.devices.map(({ kind, index }) => {
      if (kind === 'cpu') return cpuOf(machine, hardware)
      const gpu = gpus.find((device) => device.index === index)
      if (!gpu) {
        throw new LanyardError(
          'device_missing',
          `${machine.name} has no GPU ${index}.`,
          gpus.length > 0
            ? `Its GPUs are ${gpus.map((device) => `${device.index} (${device.name})`).join(', ')}.`
            : 'It has no GPU that was found; name its CPU.',
        )
      }
      if (!options.cuda) {
        throw new LanyardError(
          'engine_unavailable',
          `${gpu.name} of ${machine.name} cannot be used: this build has no GPU engine.`,
          "Name the machine's CPU.",
        )
      }
      return gpu
    })
  })
}
