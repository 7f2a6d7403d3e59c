/** A machine's devices as the screens show them, and what deployments hold on them. Pure. */
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { Machine } from '../../electron/contract/machine.ts'
import type { MachineSample } from '../../electron/contract/monitor.ts'

export interface Device {
  /** `cpu`, `cuda:0` */
  key: string
  kind: 'cpu' | 'cuda'
  index: number
  name: string
  memoryTotal: number
  memoryFree: number
}

/** GPUs first, then the CPU; memory from the newest sample where there is one, else from the probe. */
export function devicesOf(machine: Machine, sample?: MachineSample): Device[] {
  const h = machine.hardware
  if (!h) return []
  const gpus = h.gpus.map((gpu): Device => {
    const now = sample?.gpus.find((g) => g.index === gpu.index)
    return {
      key: `cuda:${gpu.index}`,
      kind: 'cuda',
      index: gpu.index,
      name: gpu.name,
      memoryTotal: gpu.memoryTotal,
      memoryFree: now ? now.memoryTotal - now.memoryUsed : gpu.memoryFree,
    }
  })
  return [
    ...gpus,
    {
      key: 'cpu',
      kind: 'cpu',
      index: 0,
      name: h.cpu.model,
      memoryTotal: h.memoryTotal,
      memoryFree: sample ? sample.memoryTotal - sample.memoryUsed : h.memoryFree,
    },
  ]
}

/** A card's name without its maker, where space is short. */
export function shortName(device: Device): string {
  return device.name.replace(/^NVIDIA (GeForce |RTX )?(?=.)/, (_all, line?: string) => (line === 'RTX ' ? 'RTX ' : ''))
}

export interface HeldMemory {
  weights: number
  kv: number
  workspace: number
}

/** What serving deployments hold on one device, by their plans. Ranks that share the CPU add up. */
export function heldOn(deployments: readonly Deployment[], machineId: string, device: Device): HeldMemory {
  const held = { weights: 0, kv: 0, workspace: 0 }
  for (const deployment of deployments) {
    if (deployment.state !== 'serving') continue
    for (const rank of deployment.plan.ranks) {
      if (rank.machineId !== machineId || rank.device.kind !== device.kind) continue
      if (device.kind === 'cuda' && rank.device.index !== device.index) continue
      held.weights += rank.memory.weights
      held.kv += rank.memory.kv
      held.workspace += rank.memory.workspace
    }
  }
  return held
}

/** Deployments that run, or are about to run, a rank on the machine. */
export function deploymentsOn(deployments: readonly Deployment[], machineId: string): Deployment[] {
  return deployments.filter(
    (d) => d.state !== 'stopped' && d.state !== 'failed' && d.ranks.some((r) => r.machineId === machineId),
  )
}
