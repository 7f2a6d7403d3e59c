/** NVIDIA GPUs as `nvidia-smi` reports them; no GPU and no driver read as an empty list. */
import { execFile } from 'node:child_process'
import type { GpuFacts } from '../../contract/machine.ts'
import type { MachineSample } from '../../contract/monitor.ts'

const mebibyte = 2 ** 20

function query(fields: string): Promise<string[][]> {
  return new Promise((resolve) => {
    execFile(
      'nvidia-smi',
      [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'],
      { timeout: 5000 },
      (error, stdout) => {
        resolve(error ? [] : parseTable(stdout))
      },
    )
  })
}

/** Rows of comma-separated values, blanks around them removed. */
export function parseTable(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.includes(','))
    .map((line) => line.split(',').map((cell) => cell.trim()))
}

/** Values that a GPU does not report read `[N/A]` or `[Not Supported]`. */
function numberOf(cell: string | undefined): number | null {
  const value = Number(cell)
  return cell && Number.isFinite(value) ? value : null
}

export function gpuFactsOf(rows: string[][]): GpuFacts[] {
  return rows.map(([index, name, uuid, driver, total, free]) => ({
    index: numberOf(index) ?? 0,
    name: name ?? '',
    uuid: uuid ?? '',
    driver: driver ?? '',
    memoryTotal: (numberOf(total) ?? 0) * mebibyte,
    memoryFree: (numberOf(free) ?? 0) * mebibyte,
  }))
}

export async function readGpus(): Promise<GpuFacts[]> {
  return gpuFactsOf(await query('index,name,uuid,driver_version,memory.total,memory.free'))
}

export type GpuSample = MachineSample['gpus'][number]

/** `utilisation` 0…1, memory in bytes, °C, W. */
export function gpuSamplesOf(rows: string[][]): GpuSample[] {
  return rows.map(([index, utilisation, used, total, temperature, power]) => ({
    index: numberOf(index) ?? 0,
    utilisation: (numberOf(utilisation) ?? 0) / 100,
    memoryUsed: (numberOf(used) ?? 0) * mebibyte,
    memoryTotal: (numberOf(total) ?? 0) * mebibyte,
    temperature: numberOf(temperature),
    power: numberOf(power),
  }))
}

export async function sampleGpus(): Promise<GpuSample[]> {
  return gpuSamplesOf(await query('index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw'))
}
