/** What joins the hosts: a bridge with token buckets, or the delaying switch of ../shared when a delay is wanted. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mustRun, openSpace } from './space.ts'
import type { Space } from './space.ts'

/** Rate as `tc` writes it ("1gbit", "100mbit"); delay one way, in milliseconds. */
export type Shape = { rate?: string; delayMs?: number }

export type LanSwitch = {
  /** Gives the namespaces of `space` an interface `eth0` with this IPv4 address on the LAN. */
  join(port: string, space: Space, address: string): Promise<void>
  /** Called once after all have joined. */
  start(): Promise<void>
  /** undefined: as fast as the kernel copies. */
  setRate(port: string, rate: string | undefined): Promise<void>
  /** false: pulls the cable; frames are lost without a word. */
  setLink(port: string, up: boolean): Promise<void>
  close(): Promise<void>
}

const delaySource = fileURLToPath(new URL('../../../shared/tools/delayswitch/delayswitch.cc', import.meta.url))
const netOf = (space: Space, argv: string[]) =>
  mustRun(['nsenter', '--target', String(space.pid), '--net', '--', ...argv])

async function configure(space: Space, address: string): Promise<void> {
  await netOf(space, ['ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0'])
  await netOf(space, ['ip', 'link', 'set', 'eth0', 'up'])
}

/** A Linux bridge, shaped by `tc tbf` at both ends of each cable. */
export async function bridgeSwitch(shape: Shape): Promise<LanSwitch> {
  const hub = await openSpace('./switch-init.sh', [])
  const joined = new Map<string, Space>()

  async function setRate(port: string, rate: string | undefined): Promise<void> {
    const space = joined.get(port)
    if (space === undefined) throw new Error(`nobody named ${port} is on this LAN`)
    for (const [where, device] of [
      [hub, port],
      [space, 'eth0'],
    ] as const) {
      if (rate !== undefined)
        await netOf(where, [
          'tc',
          'qdisc',
          'replace',
          'dev',
          device,
          'root',
          'tbf',
          'rate',
          rate,
          'burst',
          '256kb',
          'latency',
          '5ms',
        ])
      else if ((await netOf(where, ['tc', 'qdisc', 'show', 'dev', device])).includes('tbf'))
        await netOf(where, ['tc', 'qdisc', 'del', 'dev', device, 'root'])
    }
  }
  return {
    async join(port, space, address) {
      await netOf(hub, ['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(space.pid)])
      await netOf(hub, ['ip', 'link', 'set', port, 'master', 'br0', 'up'])
      await configure(space, address)
      joined.set(port, space)
      if (shape.rate !== undefined) await setRate(port, shape.rate)
    },
    start: () => Promise.resolve(),
    setRate,
    setLink: async (port, up) => void (await netOf(hub, ['ip', 'link', 'set', port, up ? 'up' : 'down'])),
    close: () => hub.close(),
  }
}

/** A user-space switch that holds every frame back, for kernels without netem. */
export async function delaySwitch(folder: string, shape: Shape): Promise<LanSwitch> {
  if (!existsSync(delaySource)) {
    throw new Error(
      `A delay on the test LAN needs the delaying switch, which is not here (${delaySource}); leave --delay-ms out, or use --rate alone.`,
    )
  }
  const program = join(folder, 'delayswitch')
  await mustRun(['g++', '-O2', '-std=c++20', '-o', program, delaySource])
  // it looks its namespaces up by name under /run/netns; a path from there reaches unnamed ones too
  await mkdir('/run/netns', { recursive: true })
  const ports: { name: string; space: Space; address: string }[] = []
  const options = [
    `delay=${Math.round((shape.delayMs ?? 0) * 1000)}us`,
    ...(shape.rate === undefined ? [] : [`rate=${shape.rate}`]),
  ].join(',')
  let stop: () => Promise<void> = () => Promise.resolve()
  return {
    join: async (name, space, address) => void ports.push({ name, space, address }),
    async start() {
      const argv = ports.flatMap(({ name, space }) => [
        '--port',
        `${name},netns=../../proc/${space.pid}/ns/net,${options}`,
      ])
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nice', '-n', '-10', program, '--spin', '30us', ...argv], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const exited = once(child, 'exit')
      stop = async () => {
        if (child.exitCode === null) child.kill('SIGKILL')
        await exited
      }
      let complaints = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
      await new Promise<void>((resolve, reject) => {
        child.stdout.setEncoding('utf8').on('data', (text: string) => text.includes('ready') && resolve())
        child.on('exit', () => reject(new Error(`the delaying switch ended: ${complaints}`)))
      })
      for (const { space, address } of ports) await configure(space, address)
    },
    setRate: () => Promise.reject(new Error('the delaying switch keeps the rate it was started with')),
    async setLink(name, up) {
      const port = ports.find((candidate) => candidate.name === name)
      if (port === undefined) throw new Error(`nobody named ${name} is on this LAN`)
      await netOf(port.space, ['ip', 'link', 'set', 'eth0', up ? 'up' : 'down'])
    },
    close: () => stop(),
  }
}
