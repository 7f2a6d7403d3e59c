/** The contract's values as text for a terminal. Pure. */
import type { AppContract } from '../contract/app.ts'
import type { Deployment, RankStatus } from '../contract/deployment.ts'
import type { JobStep } from '../contract/job.ts'
import type { Hardware, Machine, ScanReport } from '../contract/machine.ts'
import type { Model } from '../contract/model.ts'
import type { LogLine } from '../contract/monitor.ts'
import type { Plan } from '../contract/plan.ts'
import type { OutputOf } from '../contract/rpc/contract.ts'
import type { AppState } from '../contract/state.ts'
import { formatBytes } from './arguments.ts'

type Info = OutputOf<AppContract['app.info']>
type Checks = OutputOf<AppContract['app.doctor']>['checks']

/** Columns as wide as their widest cell. */
function table(rows: string[][]): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), [])
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function status(info: Info, state: AppState): string {
  const lines = [
    `Lanyard ${info.version}, process ${info.pid}, home ${info.home}`,
    ...(info.uiUrl ? [`Window   ${info.uiUrl}`] : []),
    `OpenAI   ${info.openaiUrl}`,
    '',
    machines(state),
  ]
  const deployments = state.deployments.map((deployment) => [
    deployment.name,
    deployment.state,
    deployment.modelName,
    deployment.stats.tokensPerSecond.toFixed(1),
    deployment.status,
  ])
  const standby = standbyOf(state)
  if (standby) deployments.push([standby.name, 'on demand', standby.model.name, '-', standby.model.purpose])
  if (deployments.length > 0) lines.push('', table([['DEPLOYMENT', 'STATE', 'MODEL', 'TOK/S', ''], ...deployments]))
  return lines.join('\n')
}

/** The built-in model while it waits to be asked: no deployment, and yet it answers. */
function standbyOf({ guide, models, deployments }: AppState): { name: string; model: Model } | null {
  const model = models.find((each) => each.id === guide?.modelId)
  if (!guide || !model || guide.use !== 'on-demand' || deployments.some((each) => each.name === guide.name)) return null
  return { name: guide.name, model }
}

export function machines(state: Pick<AppState, 'machines' | 'found' | 'discovery'>): string {
  const rows = state.machines.map((machine) => [
    machine.name,
    machine.state,
    machine.address || '-',
    devices(machine),
    machine.status,
  ])
  const lines = [table([['MACHINE', 'STATE', 'ADDRESS', 'DEVICES', ''], ...rows])]
  if (state.found.length > 0)
    lines.push(
      '',
      table([
        ['FOUND', 'ADDRESS', 'BY', ''],
        ...state.found.map((f) => [f.name, `${f.host}:${f.port}`, f.via, f.detail]),
      ]),
    )
  if (state.discovery.note) lines.push('', state.discovery.note)
  return lines.join('\n')
}

function devices(machine: Machine): string {
  if (!machine.hardware) return '-'
  const { gpus, cpu } = machine.hardware
  return [...gpus.map((gpu) => `${gpu.name} ${formatBytes(gpu.memoryTotal)}`), `${cpu.cores}-core CPU`].join(', ')
}

export function machine(value: Machine): string {
  return `${value.name} is ${value.state}: ${devices(value)}${value.hardware ? `, ${formatBytes(value.hardware.memoryTotal)} memory` : ''}`
}

export function hardware(value: Hardware): string {
  return table([
    ['host', `${value.hostname}, ${value.os}, kernel ${value.kernel}, ${value.arch}`],
    ['cpu', `${value.cpu.model}, ${value.cpu.cores} cores`],
    ['memory', `${formatBytes(value.memoryFree)} free of ${formatBytes(value.memoryTotal)}`],
    ['disk', `${formatBytes(value.diskFree)} free of ${formatBytes(value.diskTotal)} at ${value.home}`],
    ...value.gpus.map((gpu) => [
      `gpu${gpu.index}`,
      `${gpu.name}, ${formatBytes(gpu.memoryFree)} free of ${formatBytes(gpu.memoryTotal)}, driver ${gpu.driver}`,
    ]),
    ...value.interfaces.map((i) => [
      i.name,
      `${i.addresses.join(', ') || 'no address'}${i.speed ? `, ${i.speed} Mbit/s` : ''}`,
    ]),
  ])
}

export function scan(report: ScanReport): string {
  return [
    `${report.addressesTried} addresses of ${report.subnet} on ${report.interface} in ${report.seconds.toFixed(1)} s: ${report.found.length} answered.`,
    ...report.found.map((found) => `  ${found.host}:${found.port}  ${found.detail}`),
    ...report.notes.map((note) => `  ${note}`),
  ].join('\n')
}

const marks = { pending: '·', running: '…', done: '✓', failed: '✗', skipped: '-' } as const

export function step(value: JobStep): string {
  const seconds =
    value.startedAt !== null && value.endedAt !== null
      ? ` (${((value.endedAt - value.startedAt) / 1000).toFixed(1)} s)`
      : ''
  return `${marks[value.state]} ${value.label}${value.detail ? `: ${value.detail}` : ''}${seconds}`
}

export function models(values: Model[]): string {
  if (values.length === 0) return 'No models yet. lanyard models add FOLDER adds one.'
  return table([
    ['MODEL', 'FAMILY', 'PARAMETERS', 'SIZE', 'CONTEXT', ''],
    ...values.map((model) => [
      model.name,
      model.family,
      `${(model.parameters / 1e6).toFixed(model.parameters < 1e8 ? 1 : 0)} M`,
      formatBytes(model.bytes),
      `${model.context}`,
      model.purpose || model.path,
    ]),
  ])
}

export function plan(value: Plan): string {
  return [
    `${value.modelName} on ${value.ranks.length} rank${value.ranks.length === 1 ? '' : 's'}, context ${value.context}, weights ${value.weights}, KV cache ${value.kvDtype}${value.wire === 'int8' ? ', int8 between ranks' : ''}: ${value.fits ? 'fits' : `short by ${formatBytes(value.shortBy)}`}`,
    table([
      ['RANK', 'MACHINE', 'DEVICE', 'SHARE', 'HEADS', 'FFN', 'WEIGHTS', 'KV', 'FREE'],
      ...value.ranks.map((rank) => [
        `${rank.rank}`,
        rank.machineName,
        rank.device.name,
        `${(rank.share * 100).toFixed(0)} %`,
        `${rank.split.queryHeads.count}`,
        `${rank.split.ffn.count}`,
        formatBytes(rank.memory.weights),
        formatBytes(rank.memory.kv),
        formatBytes(rank.memory.free),
      ]),
    ]),
    `Predicted ${value.predicted.tokensPerSecond.toFixed(1)} tok/s, first token after ${value.predicted.firstTokenSeconds.toFixed(2)} s (${value.predicted.source})`,
    ...value.explanation,
    ...value.warnings.map((warning) => `Note: ${warning}`),
    ...value.wouldFit.map((text) => `Would fit: ${text}`),
    ...value.alternatives.map(
      (other) =>
        `Instead: ${other.title}: ${other.tokensPerSecond.toFixed(1)} tok/s${other.note ? `, ${other.note}` : ''}`,
    ),
  ].join('\n')
}

export function rank(value: RankStatus): string {
  const bytes =
    value.state === 'sending'
      ? ` ${Math.floor((value.sentBytes / Math.max(1, value.shardBytes)) * 10) * 10} % of ${formatBytes(value.shardBytes)}`
      : ''
  return `  rank ${value.rank} on ${value.machineName}: ${value.state}${bytes}`
}

export function deployment(value: Deployment, openaiUrl: string): string {
  const sent = value.ranks.reduce((sum, each) => sum + each.sentBytes, 0)
  return `${value.name} is serving at ${openaiUrl} (${value.ranks.length} rank${value.ranks.length === 1 ? '' : 's'}, ${formatBytes(sent)} of weights sent).`
}

export function checks(values: Checks): string {
  return values
    .map(
      (check) =>
        `${{ pass: '✓', warn: '!', fail: '✗' }[check.result]} ${check.name}: ${check.detail}${check.fix ? `\n    → ${check.fix}` : ''}`,
    )
    .join('\n')
}

export function logLine(line: LogLine): string {
  return `${new Date(line.at).toISOString()} ${line.level.padEnd(5)} ${line.source}: ${line.text}`
}
