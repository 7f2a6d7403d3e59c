/** `npm run lan -- --hosts 3 [--rate 1gbit] [--delay-ms 0.1] [--gpu] [--password] [-- command…]`: a LAN to try things on by hand. */
import { parseArgs } from 'node:util'
import { startLan } from './lan.ts'
import type { Lan } from './lan.ts'

const usage = `usage: npm run lan -- [--hosts 2] [--rate 1gbit] [--delay-ms 0.1] [--gpu] [--password] [--announce] [-- command…]
Starts hosts with their own sshd on a network of their own and a shell (or the command) on its desktop; ends with it.`

function banner(lan: Lan, password: boolean): string {
  return [
    `Test LAN of ${lan.hosts.length} ${lan.hosts.length === 1 ? 'host' : 'hosts'}; you are on its desktop (${lan.desktop.address}). Nothing here reaches any other network.`,
    ...lan.hosts.map(
      (host) =>
        `  ${host.name.padEnd(8)} ssh ${host.user}@${host.address}${password ? `   password: ${host.password}` : ''}`,
    ),
    `  key file ${lan.desktop.identity}`,
    `  home     ${lan.desktop.home}   LANYARD_HOME ${lan.desktop.lanyardHome}`,
    '',
  ].join('\n')
}

async function main(): Promise<number> {
  const argv = process.argv.slice(2)
  const at = argv.indexOf('--')
  const command = at < 0 ? [] : argv.slice(at + 1)
  let values
  try {
    values = parseArgs({
      args: at < 0 ? argv : argv.slice(0, at),
      options: {
        hosts: { type: 'string', default: '2' },
        rate: { type: 'string' },
        'delay-ms': { type: 'string' },
        gpu: { type: 'boolean', default: false },
        password: { type: 'boolean', default: false },
        announce: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`)
    return 2
  }
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  const delayMs = values['delay-ms'] === undefined ? undefined : Number(values['delay-ms'])
  await using lan = await startLan({
    hosts: Number(values.hosts),
    shape: { rate: values.rate, delayMs },
    passwordAuth: values.password,
    announce: values.announce,
    gpus: values.gpu ? [{ name: 'NVIDIA GeForce RTX 4090', memoryMiB: 24564, freeMiB: 24000 }] : [],
  })
  process.stderr.write(banner(lan, values.password))
  // the shell has the terminal: what is typed there is not for us; asked to end by others, we end it first
  const ignore = () => undefined
  process.on('SIGINT', ignore)
  const [program = '/bin/bash', ...args] = command
  const shell = lan.desktop.spawn(program, program === '/bin/bash' && args.length === 0 ? ['--norc', '-i'] : args, {
    stdio: 'inherit',
    env: { PS1: '(lan) desktop:\\w# ' },
    cwd: process.cwd(),
  })
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => shell.kill(signal))
  const { code, signal } = await shell.ended
  return code ?? (signal === null ? 1 : 130)
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  },
)
