import { Minus, Plus } from 'lucide-react'
import { Link } from 'wouter'
import type { Machine } from '../../electron/contract/machine.ts'
import { useWords } from '../i18n/index.ts'
import { changeDeployForm, maxCpuRanks, setCount } from '../state/deploy-form.ts'
import type { Chosen } from '../state/deploy-form.ts'
import type { Device } from '../state/devices.ts'
import { devicesOf } from '../state/devices.ts'
import { MachineBadge } from '../machines/machine-parts.tsx'
import { IconButton } from '../ui/button.tsx'
import styles from './deploy.module.css'

/** Machines with their devices to switch on and off; a CPU takes several ranks. Impossible choices say why. */
export function ChooseDevices({ machines, chosen }: { machines: readonly Machine[]; chosen: Chosen }) {
  const { t } = useWords()
  const set = (machine: Machine, device: Device, count: number): void =>
    changeDeployForm({ chosen: setCount(chosen, machine.id, device.key, count), shares: null })
  return (
    <div className={styles.machines}>
      {machines.map((machine) => {
        const devices = devicesOf(machine)
        const usable = machine.state === 'ready' && devices.length > 0
        const on = devices.some((d) => (chosen[machine.id]?.[d.key] ?? 0) > 0)
        return (
          <div
            key={machine.id}
            className={styles.machine}
            data-on={(usable && on) || undefined}
            role="group"
            aria-label={machine.name}
            data-testid="deploy-machine"
          >
            <div className={styles.machineHead}>
              <strong>{machine.name}</strong>
              {!usable && <MachineBadge state={machine.state} />}
            </div>
            {!usable && <p className={styles.soft}>{machine.status || t.deploy.notReady}</p>}
            {usable &&
              devices.map((device) => (
                <DeviceChoice
                  key={device.key}
                  machine={machine}
                  device={device}
                  count={chosen[machine.id]?.[device.key] ?? 0}
                  onCount={(n) => set(machine, device, n)}
                />
              ))}
          </div>
        )
      })}
      {machines.length <= 1 && (
        <p className={styles.soft}>
          {t.deploy.onlyThis} <Link href="/machines">{t.deploy.addMachines}</Link>
        </p>
      )}
    </div>
  )
}

function DeviceChoice({
  machine,
  device,
  count,
  onCount,
}: {
  machine: Machine
  device: Device
  count: number
  onCount(n: number): void
}) {
  const { t, f } = useWords()
  const name = device.kind === 'cpu' ? t.memory.cpu : t.memory.gpu(device.index)
  const label = `${machine.name} ${name}`
  return (
    <div className={styles.deviceChoice}>
      <label>
        <input
          type="checkbox"
          checked={count > 0}
          onChange={(event) => onCount(event.target.checked ? 1 : 0)}
          aria-label={label}
        />
        <span>
          <b>{name}</b> <span title={device.name}>{device.name}</span>
          <small>{t.deploy.freeMemory(f.bytes(device.memoryFree))}</small>
        </span>
      </label>
      {device.kind === 'cpu' && count > 0 && (
        <div className={styles.stepper} role="group" aria-label={t.deploy.ranksOn(label)}>
          <IconButton label={t.deploy.fewerRanks} onClick={() => onCount(count - 1)}>
            <Minus />
          </IconButton>
          <output aria-live="polite">{t.deploy.ranks(count)}</output>
          <IconButton
            label={t.deploy.moreRanks}
            blockedBy={count >= maxCpuRanks ? t.deploy.mostRanks(maxCpuRanks) : ''}
            onClick={() => onCount(count + 1)}
          >
            <Plus />
          </IconButton>
        </div>
      )}
    </div>
  )
}
