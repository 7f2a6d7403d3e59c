import { useMemo } from 'react'
import type { Machine } from '../../electron/contract/machine.ts'
import type { MachineSample } from '../../electron/contract/monitor.ts'
import { useWords } from '../i18n/index.ts'
import { useSampleHistory } from '../state/samples.ts'
import { Chart } from '../ui/chart.tsx'

const none: MachineSample[] = []

/** CPU, memory, network and each GPU of one machine over the last 15 minutes. */
export function MachineCharts({ machine }: { machine: Machine }) {
  const { t, f } = useWords()
  const samples = useSampleHistory((h) => h.machines[machine.id]) ?? none
  const times = useMemo(() => samples.map((s) => s.at / 1000), [samples])
  const cpu = useMemo(
    () => [{ label: t.monitor.cpu, colour: 1 as const, values: samples.map((s) => s.cpu) }],
    [samples, t],
  )
  const memory = useMemo(
    () => [{ label: t.monitor.memory, colour: 1 as const, values: samples.map((s) => s.memoryUsed) }],
    [samples, t],
  )
  const network = useMemo(
    () => [
      { label: t.monitor.in, colour: 1 as const, values: samples.map((s) => s.networkIn) },
      { label: t.monitor.out, colour: 2 as const, values: samples.map((s) => s.networkOut) },
    ],
    [samples, t],
  )
  const last = samples.at(-1)
  if (!last) return <p>{t.monitor.noSamples}</p>
  return (
    <>
      <Chart
        title={t.monitor.cpu}
        now={f.percent(last.cpu)}
        times={times}
        series={cpu}
        max={1}
        format={(v) => f.percent(v)}
      />
      <Chart
        title={t.monitor.memory}
        now={t.memory.of(f.bytes(last.memoryUsed), f.bytes(last.memoryTotal))}
        times={times}
        series={memory}
        max={last.memoryTotal}
        format={f.bytes}
      />
      <Chart
        title={t.monitor.network}
        now={t.monitor.inOut(f.rate(last.networkIn), f.rate(last.networkOut))}
        times={times}
        series={network}
        steps="bytes"
        format={f.bytes}
      />
      {last.gpus.map((gpu) => (
        <GpuCharts key={gpu.index} index={gpu.index} samples={samples} times={times} />
      ))}
    </>
  )
}

function GpuCharts({
  index,
  samples,
  times,
}: {
  index: number
  samples: readonly MachineSample[]
  times: readonly number[]
}) {
  const { t, f } = useWords()
  const of = useMemo(() => samples.map((s) => s.gpus.find((g) => g.index === index)), [samples, index])
  const use = useMemo(
    () => [{ label: t.monitor.utilisation, colour: 3 as const, values: of.map((g) => g?.utilisation ?? null) }],
    [of, t],
  )
  const memory = useMemo(
    () => [{ label: t.monitor.memory, colour: 4 as const, values: of.map((g) => g?.memoryUsed ?? null) }],
    [of, t],
  )
  const last = of.at(-1)
  if (!last) return null
  const now = [
    f.percent(last.utilisation),
    last.temperature === null ? '' : t.units.celsius(f.number(last.temperature)),
    last.power === null ? '' : t.units.watt(f.number(last.power)),
  ]
  return (
    <>
      <Chart
        title={t.memory.gpu(index)}
        now={now.filter(Boolean).join(' · ')}
        times={times}
        series={use}
        max={1}
        format={(v) => f.percent(v)}
      />
      <Chart
        title={t.monitor.gpuMemory(index)}
        now={t.memory.of(f.bytes(last.memoryUsed), f.bytes(last.memoryTotal))}
        times={times}
        series={memory}
        max={last.memoryTotal}
        format={f.bytes}
      />
    </>
  )
}
