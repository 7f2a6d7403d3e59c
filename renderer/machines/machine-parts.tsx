import type { Machine } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { useApp } from '../state/connection.ts'
import { devicesOf, heldOn, shortName } from '../state/devices.ts'
import type { Device } from '../state/devices.ts'
import { useSampleHistory } from '../state/samples.ts'
import { MemoryMeter } from '../ui/meter.tsx'
import type { MeterPart } from '../ui/meter.tsx'
import { Badge } from '../ui/pieces.tsx'
import type { Tone } from '../ui/pieces.tsx'
import styles from './machines.module.css'

const tones: Record<Machine['state'], Tone> = {
  adding: 'busy',
  connecting: 'busy',
  ready: 'ok',
  away: 'bad',
  removing: 'busy',
}

export function MachineBadge({ state }: { state: Machine['state'] }) {
  const { t } = useWords()
  return <Badge tone={tones[state]}>{t.machines.states[state]}</Badge>
}

export function useDevices(machine: Machine): Device[] {
  const sample = useSampleHistory((h) => h.machines[machine.id]?.at(-1))
  return devicesOf(machine, sample)
}

/** One device with its memory: what others use, what our deployments hold, what is free. */
export function DeviceBar({ machine, device, legend = false }: { machine: Machine; device: Device; legend?: boolean }) {
  const { t, f } = useWords()
  const deployments = useApp((s) => s.deployments)
  const gpu = useSampleHistory((h) =>
    h.machines[machine.id]?.at(-1)?.gpus.find((g) => device.kind === 'cuda' && g.index === device.index),
  )
  const held = heldOn(deployments, machine.id, device)
  const used = device.memoryTotal - device.memoryFree
  // A plan is an upper bound: what is held cannot be more than what is used.
  const scale = Math.min(1, used / Math.max(1, held.weights + held.kv + held.workspace))
  const parts: MeterPart[] = [
    { kind: 'weights', label: t.memory.weights, bytes: held.weights * scale },
    { kind: 'kv', label: t.memory.kv, bytes: held.kv * scale },
    { kind: 'workspace', label: t.memory.workspace, bytes: held.workspace * scale },
  ]
  parts.push({
    kind: 'used',
    label: t.memory.others,
    bytes: Math.max(0, used - parts.reduce((n, p) => n + p.bytes, 0)),
  })
  return (
    <div className={styles.device}>
      <div className={styles.deviceHead}>
        <span className={styles.deviceKind}>{device.kind === 'cpu' ? t.memory.cpu : t.memory.gpu(device.index)}</span>
        <span className={styles.deviceName} title={device.name}>
          {shortName(device)}
        </span>
        {gpu && gpu.temperature !== null && <span>{t.units.celsius(f.number(gpu.temperature))}</span>}
        {gpu && gpu.power !== null && <span>{t.units.watt(f.number(gpu.power))}</span>}
        <span className={styles.deviceMemory}>{t.memory.of(f.bytes(used), f.bytes(device.memoryTotal))}</span>
      </div>
      <MemoryMeter label={device.name} parts={parts} total={device.memoryTotal} legend={legend} />
    </div>
  )
}
