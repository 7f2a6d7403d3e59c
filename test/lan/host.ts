/** One host of the test LAN: its own root, user, sshd and host key, and a view of what goes on inside. */
import { mkdir, readFile, readdir, readlink, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mustRun, openSpace } from './space.ts'
import type { Ended, Space } from './space.ts'
import type { LanSwitch } from './switch.ts'

/** Graphics cards that a fake `nvidia-smi` reports: none of them computes anything. */
export type FakeGpu = { name: string; memoryMiB: number; freeMiB?: number; driver?: string }

export type HostOptions = {
  passwordAuth?: boolean
  /** size of the home folder ("64m"): a small one provokes "no space left" */
  diskQuota?: string
  gpus?: FakeGpu[]
  /** programs laid over the system's, by name: a shell script each */
  programs?: Record<string, string>
  announce?: boolean
}

export type HostProcess = { pid: number; user: number; command: string }
export type Announcement = AsyncDisposable & { stop(): Promise<void> }

export type LanHost = AsyncDisposable & {
  readonly name: string
  /** IPv4 address on the LAN */
  readonly address: string
  readonly user: string
  /** the user's password, when the LAN was started with `passwordAuth` */
  readonly password: string
  /** private key file on the desktop that signs in here */
  readonly identity: string
  readonly homePath: string
  readonly space: Space
  /** SHA256:… of the ED25519 host key in use now */
  hostKeyFingerprint(): Promise<string>
  /** the line of a known_hosts file, without the host */
  hostKeyLine(): Promise<string>
  /** a shell command as the user; `root: true` as root */
  exec(command: string, options?: { root?: boolean; input?: string | Buffer }): Promise<Ended>
  /** what runs in there, seen from there, without the namespace's own first process */
  processes(): Promise<HostProcess[]>
  /** every path under `path`, itself included; empty when it does not exist */
  find(path: string): Promise<string[]>
  /** path on this computer of a path on the host */
  outside(path: string): string
  startSshd(): Promise<void>
  /** stops listening; open sessions go on, as when a service manager stops it */
  stopSshd(): Promise<void>
  /** as after a fresh installation: a new host key */
  replaceHostKey(): Promise<void>
  /** kills the open SSH sessions, not what they started in the background */
  dropConnections(): Promise<void>
  setRate(rate: string | undefined): Promise<void>
  /** false pulls the network cable */
  setLink(up: boolean): Promise<void>
  /** answers mDNS questions for this host until stopped */
  announce(service?: string): Promise<Announcement>
}

const user = 'ada'
const password = 'correct horse battery'
/** crypt(3) of the password above: these accounts exist only inside the namespaces */
const passwordHash =
  '$6$lanyardlan$QEMv3kLPpAKCQSLi/G3x/mh7Cec/N/1aGhqQzHwqMUIusVFCN6H8tpp0EoWVrVeWX7hlo/qC0AjnUCcX.0F8g.'
const userPath = '/usr/local/bin:/usr/bin:/bin'

async function writeEtc(etc: string, name: string, hosts: string, options: HostOptions): Promise<void> {
  await mkdir(join(etc, 'ssh'), { recursive: true })
  const secret = options.passwordAuth ? passwordHash : '*'
  const files: Record<string, string> = {
    passwd: `root:x:0:0:root:/root:/bin/bash\nsshd:x:102:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n${user}:x:1000:1000:Ada:/home/${user}:/bin/bash\n`,
    shadow: `root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n${user}:${secret}:19000:0:99999:7:::\n`,
    group: `root:x:0:\ntty:x:5:\nnogroup:x:65534:\n${user}:x:1000:\n`,
    hostname: `${name}\n`,
    hosts: `127.0.0.1 localhost\n::1 localhost\n${hosts}`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n',
    profile: `export PATH=${userPath}\n`,
    'ssh/sshd_config': [
      'Port 22',
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'PidFile /run/sshd.pid',
      'UsePAM no',
      'UseDNS no',
      'PrintMotd no',
      'PermitRootLogin no',
      'X11Forwarding no',
      'MaxStartups 100',
      'MaxSessions 100',
      'LogLevel VERBOSE',
      `PasswordAuthentication ${options.passwordAuth ? 'yes' : 'no'}`,
      'KbdInteractiveAuthentication no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  }
  for (const [path, text] of Object.entries(files))
    await writeFile(join(etc, path), text, { mode: path === 'shadow' ? 0o600 : 0o644 })
  // alternatives: awk and others are links through it; the loader's cache: for libraries in unusual folders
  await mustRun([
    'sh',
    '-c',
    `cp -a /etc/alternatives ${etc}/ 2>/dev/null; cp -a /etc/ld.so.cache ${etc}/ 2>/dev/null; ln -sf ../usr/lib/os-release ${etc}/os-release`,
  ])
}

async function makeHostKey(path: string): Promise<void> {
  await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path], { input: 'y\n' })
}

/** Output of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits` for whichever fields are asked. */
function fakeNvidiaSmi(gpus: FakeGpu[]): string {
  const rows = gpus.map((gpu, index) => {
    const free = gpu.freeMiB ?? gpu.memoryMiB
    return `answer ${index} '${gpu.name}' GPU-00000000-0000-0000-0000-00000000000${index} ${gpu.driver ?? '580.95.05'} ${gpu.memoryMiB} ${free} ${gpu.memoryMiB - free}`
  })
  return `#!/bin/sh
# A fake: reports cards, drives none.
for argument; do case $argument in --query-gpu=*) fields=$(echo "\${argument#--query-gpu=}" | tr , ' ');; -L) list=1;; esac; done
answer() {
  if [ -n "\${list:-}" ]; then echo "GPU $1: $2 (UUID: $3)"; return; fi
  line=
  for field in \${fields:-index name}; do
    case $field in index) value=$1;; name|gpu_name) value=$2;; uuid|gpu_uuid) value=$3;; driver_version) value=$4;; memory.total) value=$5;;
      memory.free) value=$6;; memory.used) value=$7;; utilization.gpu) value=0;; temperature.gpu) value=35;; power.draw) value=20.00;;
      *) value='[N/A]';; esac
    line="\${line:+$line, }$value"
  done
  echo "$line"
}
${rows.join('\n')}
`
}

/** Builds the host's files under `folder`, opens its namespaces, joins the LAN and starts sshd. */
export async function openHost(
  folder: string,
  name: string,
  address: string,
  hosts: string,
  identity: string,
  net: LanSwitch,
  options: HostOptions,
): Promise<LanHost> {
  const etc = join(folder, 'etc')
  await writeEtc(etc, name, hosts, options)
  await mkdir(join(folder, 'local/bin'), { recursive: true })
  await mkdir(join(folder, 'home/.ssh'), { recursive: true, mode: 0o700 })
  await writeFile(join(folder, 'home/.ssh/authorized_keys'), await readFile(`${identity}.pub`, 'utf8'), { mode: 0o600 })
  const programs = {
    ...options.programs,
    ...(options.gpus?.length ? { 'nvidia-smi': fakeNvidiaSmi(options.gpus) } : {}),
  }
  for (const [program, text] of Object.entries(programs))
    await writeFile(join(folder, 'local/bin', program), text, { mode: 0o755 })
  const hostKey = join(etc, 'ssh/ssh_host_ed25519_key')
  await makeHostKey(hostKey)

  const space = await openSpace('./host-init.sh', [folder, name, user, options.diskQuota ?? ''])
  const bare = { PATH: `${userPath}:/usr/sbin:/sbin`, LANG: 'C.UTF-8' }
  const asRoot = async (command: string) => {
    const ended = await space.run(['bash', '-c', command], { env: { ...bare, HOME: '/root' } })
    if (ended.code !== 0) throw new Error(`on ${name}, ${command}: ${ended.stderr}`)
    return ended.stdout
  }
  const announcements = new Set<Announcement>()
  const keyText = async () => (await readFile(`${hostKey}.pub`, 'utf8')).trim()

  const host: LanHost = {
    name,
    address,
    user,
    password,
    identity,
    space,
    homePath: `/home/${user}`,
    hostKeyLine: keyText,
    async hostKeyFingerprint() {
      const blob = Buffer.from((await keyText()).split(' ')[1] ?? '', 'base64')
      return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
    },
    exec(command, { root = false, input } = {}) {
      const drop = root ? [] : ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']
      const env = root
        ? { ...bare, HOME: '/root', USER: 'root' }
        : { PATH: userPath, LANG: 'C.UTF-8', HOME: `/home/${user}`, USER: user, LOGNAME: user }
      return space.run([...drop, 'bash', '-c', command], { env, cwd: env.HOME, input })
    },
    async processes() {
      const inside = await readlink(`/proc/${space.pid}/ns/pid`)
      const found: HostProcess[] = []
      for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
        // processes come and go while we look
        const [namespace, command, status] = await Promise.all([
          readlink(`/proc/${pid}/ns/pid`),
          readFile(`/proc/${pid}/cmdline`, 'utf8'),
          readFile(`/proc/${pid}/status`, 'utf8'),
        ]).catch(() => ['', '', ''])
        if (namespace !== inside || command === '') continue
        const own = Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1])
        const parent = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1])
        if (own === 1 || (parent === space.pid && command.startsWith('sleep\x00' + '1000000'))) continue
        found.push({
          pid: own,
          user: Number(/^Uid:\t(\d+)/m.exec(status)?.[1]),
          command: command.replaceAll('\0', ' ').trim(),
        })
      }
      return found
    },
    async find(path) {
      const ended = await space.run(['find', path], { env: bare })
      return ended.stdout.split('\n').filter(Boolean)
    },
    outside: (path) => `/proc/${space.pid}/root${path}`,
    startSshd: async () => void (await asRoot('/usr/sbin/sshd -f /etc/ssh/sshd_config -E /var/log/sshd')),
    stopSshd: async () =>
      void (await asRoot('pid=$(cat /run/sshd.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.01; done')),
    async replaceHostKey() {
      await makeHostKey(hostKey)
      await host.stopSshd()
      await host.startSshd()
    },
    async dropConnections() {
      for (const { pid, command } of await host.processes()) {
        if (command.startsWith('sshd: ') && !command.includes('listener'))
          await asRoot(`kill -KILL ${pid} 2>/dev/null || true`)
      }
    },
    setRate: (rate) => net.setRate(name, rate),
    setLink: (up) => net.setLink(name, up),
    async announce(service = 'ssh') {
      const script = fileURLToPath(new URL('./announcer.ts', import.meta.url))
      // the host has no Node: only its network is entered, the program is this computer's
      const child = spawn(
        'setpriv',
        [
          '--pdeathsig',
          'KILL',
          'nsenter',
          '--target',
          String(space.pid),
          '--net',
          '--',
          process.execPath,
          script,
          name,
          address,
          service,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      const exited = once(child, 'exit')
      await once(child.stdout, 'data')
      const stop = async () => {
        announcements.delete(announcement)
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
        await exited
      }
      const announcement: Announcement = { stop, [Symbol.asyncDispose]: stop }
      announcements.add(announcement)
      return announcement
    },
    async [Symbol.asyncDispose]() {
      for (const announcement of announcements) await announcement.stop()
      await space.close()
    },
  }
  await net.join(name, space, address)
  await host.startSshd()
  return host
}
