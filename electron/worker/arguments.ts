/** The worker's command line. */
import { parseArgs } from 'node:util'
import { LanyardError } from '../contract/errors.ts'
import type { ShardOrder } from './shards/receive.ts'

export type WorkerCommand =
  | { command: 'run'; folder: string; leaseSeconds: number; stdio: boolean }
  | { command: 'attach'; folder: string; leaseSeconds: number }
  | { command: 'put'; folder: string; order: ShardOrder }
  | { command: 'stop'; folder: string }
  | { command: 'rank' }
  | { command: 'grammar' }
  | { command: 'version' }

export const usage = `usage:
  lanyard-worker run --folder DIR [--lease SECONDS] [--stdio]
  lanyard-worker attach --folder DIR [--lease SECONDS]
  lanyard-worker put --folder DIR --key KEY --bytes N --sha256 HEX|- --offset O
  lanyard-worker stop --folder DIR
  lanyard-worker version`

const defaultLease = 600

/** Throws `usage` with what is wrong. */
export function parseCommand(args: string[]): WorkerCommand {
  const [command, ...rest] = args
  if (command === 'rank' || command === 'grammar' || command === 'version') return { command }
  const values = optionsOf(rest)
  const text = (name: keyof typeof values): string => {
    const value = values[name]
    if (typeof value !== 'string' || value === '') throw new LanyardError('usage', `--${name} is missing.`, usage)
    return value
  }
  const whole = (name: keyof typeof values, least: number): number => {
    const value = Number(text(name))
    if (!Number.isSafeInteger(value) || value < least)
      throw new LanyardError('usage', `--${name} is a whole number from ${least}.`, usage)
    return value
  }
  const leaseSeconds = (): number => (values.lease === undefined ? defaultLease : whole('lease', 1))
  switch (command) {
    case 'run':
      return { command, folder: text('folder'), leaseSeconds: leaseSeconds(), stdio: values.stdio ?? false }
    case 'attach':
      return { command, folder: text('folder'), leaseSeconds: leaseSeconds() }
    case 'put':
      return {
        command,
        folder: text('folder'),
        order: { key: text('key'), bytes: whole('bytes', 0), sha256: text('sha256'), offset: whole('offset', 0) },
      }
    case 'stop':
      return { command, folder: text('folder') }
    default:
      throw new LanyardError(
        'usage',
        command === undefined ? 'A command is missing.' : `There is no command ${command}.`,
        usage,
      )
  }
}

function optionsOf(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        folder: { type: 'string' },
        lease: { type: 'string' },
        stdio: { type: 'boolean' },
        key: { type: 'string' },
        bytes: { type: 'string' },
        sha256: { type: 'string' },
        offset: { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new LanyardError('usage', error instanceof Error ? error.message : String(error), usage, { cause: error })
  }
}
