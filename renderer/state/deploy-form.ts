/** What is chosen on the Deploy screen; kept while other screens are shown. Pure helpers beside it. */
import { create } from 'zustand'
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { Machine } from '../../electron/contract/machine.ts'
import type { PlanRequest } from '../../electron/contract/plan.ts'
import { devicesOf } from './devices.ts'

/** ranks per device: machine id → device key → count (a GPU takes one) */
export type Chosen = Record<string, Record<string, number>>

export interface DeployForm {
  model: string | null
  /** null = not touched: this computer's best devices */
  chosen: Chosen | null
  /** null = by measured speed and memory */
  shares: number[] | null
  context: number | null
  maxSequences: number | null
  weights: NonNullable<PlanRequest['weights']> | null
  /** null = f32 where the weights are, else 16 bit */
  kvDtype: NonNullable<PlanRequest['kvDtype']> | null
  /** not on the screen: kept when a deployment from the command line is served again */
  wire: NonNullable<PlanRequest['wire']> | null
  name: string
}

export const useDeployForm = create<DeployForm>(() => ({
  model: null,
  chosen: null,
  shares: null,
  context: null,
  maxSequences: null,
  weights: null,
  kvDtype: null,
  wire: null,
  name: '',
}))

export function changeDeployForm(change: Partial<DeployForm>): void {
  useDeployForm.setState(change)
}

/** The form as it was for a deployment, to change something and start it again. */
export function formOf(deployment: Deployment): DeployForm {
  const { plan, name } = deployment
  const chosen: Chosen = {}
  for (const { machineId, device } of plan.ranks) {
    const key = device.kind === 'cpu' ? 'cpu' : `cuda:${device.index}`
    const on = (chosen[machineId] ??= {})
    on[key] = (on[key] ?? 0) + 1
  }
  return {
    model: plan.modelId,
    chosen,
    shares: null,
    context: plan.context,
    maxSequences: plan.maxSequences,
    weights: plan.weights === 'stored' ? null : plan.weights,
    kvDtype: plan.kvDtype,
    wire: plan.wire === 'int8' ? 'int8' : null,
    name,
  }
}

export const maxCpuRanks = 16

/** This computer's best: every GPU, or the CPU. */
export function defaultChosen(machines: readonly Machine[]): Chosen {
  const here = machines.find((m) => m.kind === 'this')
  if (!here) return {}
  const devices = devicesOf(here)
  const gpus = devices.filter((d) => d.kind === 'cuda')
  return { [here.id]: Object.fromEntries((gpus.length > 0 ? gpus : devices).map((d) => [d.key, 1])) }
}

export function setCount(chosen: Chosen, machineId: string, deviceKey: string, count: number): Chosen {
  return { ...chosen, [machineId]: { ...chosen[machineId], [deviceKey]: Math.max(0, Math.min(maxCpuRanks, count)) } }
}

export interface ChosenRank {
  machineId: string
  machineName: string
  kind: 'cpu' | 'cuda'
  index: number
}

/** One entry per rank, in rank order: machines as listed, GPUs before the CPU. Machines that are gone or away fall out. */
export function chosenRanks(chosen: Chosen, machines: readonly Machine[]): ChosenRank[] {
  return machines
    .filter((m) => m.state === 'ready')
    .flatMap((machine) =>
      devicesOf(machine).flatMap((device) => {
        const count = chosen[machine.id]?.[device.key] ?? 0
        return Array.from({ length: device.kind === 'cpu' ? count : Math.min(1, count) }, (_, i) => ({
          machineId: machine.id,
          machineName: machine.name,
          kind: device.kind,
          index: device.kind === 'cpu' ? i : device.index,
        }))
      }),
    )
}

/** The request for the planner, or null when there is nothing to plan yet. */
export function planRequestOf(
  form: DeployForm,
  model: string | null,
  ranks: readonly ChosenRank[],
): PlanRequest | null {
  if (model === null || ranks.length === 0) return null
  const on = [...Map.groupBy(ranks, (r) => r.machineId)].map(([machine, of]) => ({
    machine,
    devices: of.map(({ kind, index }) => ({ kind, index })),
  }))
  return {
    model,
    on,
    ...(form.shares && form.shares.length === ranks.length && form.shares.some((s) => s > 0)
      ? { shares: form.shares }
      : {}),
    ...(form.context === null ? {} : { context: form.context }),
    ...(form.maxSequences === null ? {} : { maxSequences: form.maxSequences }),
    ...(form.weights === null ? {} : { weights: form.weights }),
    ...(form.kvDtype === null ? {} : { kvDtype: form.kvDtype }),
    ...(form.wire === null ? {} : { wire: form.wire }),
  }
}
