/** Checks of this computer and the machines, each with what to do about it. */
import type { AppContract } from './contract/app.ts'
import type { Machine } from './contract/machine.ts'
import type { OutputOf } from './contract/rpc/contract.ts'
import type { AppState } from './contract/state.ts'

type Check = OutputOf<AppContract['app.doctor']>['checks'][number]

const lowDisk = 5e9

/** Judges what is known now; nothing is probed anew. */
export async function runChecks(state: AppState): Promise<Check[]> {
  return [
    {
      name: 'OpenAI port',
      result: state.openai.listening ? 'pass' : 'fail',
      detail: state.openai.listening ? state.openai.url : 'not listening',
      fix: state.openai.listening ? '' : 'Start with another --openai-port.',
    },
    {
      name: 'Discovery',
      result: state.discovery.note ? 'warn' : 'pass',
      detail: state.discovery.on
        ? state.discovery.note || `listening, ${state.found.length} found`
        : 'off (--no-discovery)',
      fix: state.discovery.note ? 'Add machines by address, or scan.' : '',
    },
    ...(state.guide
      ? []
      : [
          {
            name: 'Built-in guide',
            result: 'warn' as const,
            detail: 'its files are missing or damaged',
            fix: 'Install Lanyard again; everything else works without it.',
          },
        ]),
    ...state.machines.flatMap(checksOf),
  ]
}

function checksOf(machine: Machine): Check[] {
  const checks: Check[] = [
    {
      name: machine.name,
      result: machine.state === 'ready' ? 'pass' : 'fail',
      detail: machine.status,
      fix: machine.problem?.hint ?? '',
    },
  ]
  const { hardware } = machine
  if (!hardware) return checks
  if (hardware.diskFree < lowDisk) {
    checks.push({
      name: `${machine.name}: disk`,
      result: 'warn',
      detail: `${(hardware.diskFree / 1e9).toFixed(1)} GB free at ${hardware.home}`,
      fix: 'Free space, or remove shards that are no longer used.',
    })
  }
  for (const gpu of hardware.gpus) {
    const major = Number(gpu.driver.split('.')[0])
    if (major < 580) {
      checks.push({
        name: `${machine.name}: gpu${gpu.index}`,
        result: 'warn',
        detail: `driver ${gpu.driver}`,
        fix: 'CUDA 13 needs driver 580 or newer.',
      })
    }
  }
  const slow = hardware.interfaces.filter(
    (each) => each.speed !== null && each.speed > 0 && each.speed < 1000 && each.addresses.length > 0,
  )
  for (const each of slow) {
    checks.push({
      name: `${machine.name}: ${each.name}`,
      result: 'warn',
      detail: `${each.speed} Mbit/s`,
      fix: 'Check the cable and the switch: 1 Gbit/s or more is needed to gain from a second machine.',
    })
  }
  return checks
}
