/** The desktop of the test LAN: this computer's files, with a home, a name and a network of its own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createConnection, createServer } from 'node:net'
import type { Server } from 'node:net'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mustRun, openSpace } from './space.ts'
import type { Ended, Space, SpaceProcess, SpawnOptions } from './space.ts'
import { systemPath } from './requirements.ts'

export type Forward = AsyncDisposable & { readonly port: number; readonly url: string }

export type LanDesktop = AsyncDisposable & {
  readonly address: string
  /** the folder on this computer that is HOME there (same path inside and outside) */
  readonly home: string
  /** a LANYARD_HOME that does not exist yet */
  readonly lanyardHome: string
  readonly sshConfigPath: string
  readonly identity: string
  readonly env: NodeJS.ProcessEnv
  readonly space: Space
  /** the checkout's root, the working folder of what runs here */
  readonly checkout: string
  exec(command: string, options?: SpawnOptions): Promise<Ended>
  spawn(program: string, args?: string[], options?: SpawnOptions): SpaceProcess
  /** a shell script on this computer that runs `program` on the desktop: for tools that want a path (a browser) */
  wrapper(program: string): Promise<string>
  /**
   * Calls the exported async function `name` of a module in a Node process on the desktop; input, output and events
   * travel as JSON. An error thrown there is thrown here, with its code and hint.
   */
  call<T>(module: string | URL, name: string, input?: unknown, onEvent?: (event: unknown) => void): Promise<T>
  /** makes a port of the desktop's loopback reachable from the test's own loopback */
  forward(port: number): Promise<Forward>
}

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** Makes the home folder with a fresh key pair, before the hosts that will know it. */
export async function prepareDesktop(folder: string): Promise<{ home: string; identity: string }> {
  const home = join(folder, 'home')
  await mkdir(join(home, '.ssh'), { recursive: true, mode: 0o700 })
  const identity = join(home, '.ssh/id_ed25519')
  await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'desktop', '-f', identity])
  return { home, identity }
}

export async function openDesktop(
  folder: string,
  address: string,
  hosts: { name: string; address: string; user: string }[],
): Promise<LanDesktop> {
  const home = join(folder, 'home')
  const identity = join(home, '.ssh/id_ed25519')
  const sshConfigPath = join(home, '.ssh/config')
  await writeFile(
    sshConfigPath,
    hosts
      .map(
        (host) =>
          `Host ${host.name}\n  HostName ${host.address}\n  User ${host.user}\n  IdentityFile ~/.ssh/id_ed25519\n`,
      )
      .join('\n'),
  )
  const etc = join(folder, 'etc')
  await mkdir(etc, { recursive: true })
  const names = hosts.map((host) => `${host.address} ${host.name}\n`).join('')
  await writeFile(join(etc, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${address} desktop\n${names}`)
  await writeFile(join(etc, 'resolv.conf'), '')
  await writeFile(join(etc, 'nsswitch.conf'), 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n')
  // ssh takes the home folder from here, not from HOME
  const passwd = (await mustRun(['cat', '/etc/passwd'])).replace(
    /^(root:[^:]*:[^:]*:[^:]*:[^:]*):[^:]*:.*$/m,
    `$1:${home}:/bin/bash`,
  )
  await writeFile(join(etc, 'passwd'), passwd)

  const space = await openSpace('./desktop-init.sh', [folder])
  const lanyardHome = join(home, 'lanyard')
  const env: NodeJS.ProcessEnv = {
    PATH: `${dirname(process.execPath)}:${systemPath}`,
    HOME: home,
    USER: 'root',
    LOGNAME: 'root',
    SHELL: '/bin/bash',
    TERM: process.env.TERM ?? 'dumb',
    LANG: process.env.LANG ?? 'C.UTF-8',
    LANYARD_HOME: lanyardHome,
    XDG_RUNTIME_DIR: home,
    ...(process.env.CI ? { CI: process.env.CI } : {}),
  }
  const running = new Set<SpaceProcess>()
  const servers = new Set<Server>()
  let relays = 0

  const withDefaults = (options: SpawnOptions = {}): SpawnOptions => ({
    cwd: checkout,
    ...options,
    env: { ...env, ...options.env },
  })
  const desktop: LanDesktop = {
    address,
    home,
    lanyardHome,
    sshConfigPath,
    identity,
    env,
    space,
    checkout,
    exec: (command, options) => space.run(['bash', '-c', command], withDefaults(options)),
    spawn(program, args = [], options) {
      const started = space.spawn([program, ...args], withDefaults(options))
      running.add(started)
      void started.ended.then(() => running.delete(started))
      return started
    },
    async wrapper(program) {
      const path = join(folder, `run-${program.replaceAll('/', '_')}`)
      const quoted = space
        .enter([program], checkout)
        .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
        .join(' ')
      const exports = Object.entries(env)
        .map(([key, value]) => `export ${key}='${(value ?? '').replaceAll("'", `'\\''`)}'`)
        .join('\n')
      await writeFile(path, `#!/bin/bash\n${exports}\nexec ${quoted} "$@"\n`, { mode: 0o755 })
      return path
    },
    async call<T>(module: string | URL, name: string, input: unknown = null, onEvent?: (event: unknown) => void) {
      const runner = fileURLToPath(new URL('./call-runner.ts', import.meta.url))
      const started = desktop.spawn(process.execPath, [runner, String(module), name], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      let result:
        | { value: T }
        | { error: { message: string; code?: string; hint?: string; stack?: string } }
        | undefined
      started.child.on(
        'message',
        (message: {
          event?: unknown
          value?: T
          error?: { message: string; code?: string; hint?: string; stack?: string }
        }) => {
          if ('event' in message) onEvent?.(message.event)
          else
            result =
              'error' in message && message.error !== undefined
                ? { error: message.error }
                : { value: message.value as T }
        },
      )
      started.child.send({ input })
      await started.ended
      if (result === undefined) throw new Error(`${name} ended without an answer`)
      if ('value' in result) return result.value
      const { message, ...rest } = result.error
      throw Object.assign(new Error(message), rest)
    },
    async forward(port) {
      const socket = join(folder, `relay-${relays++}`)
      // a unix socket is a file: it crosses the border between the network namespaces
      const script = `const net=require('node:net');net.createServer({allowHalfOpen:true},a=>{const b=net.connect({port:${port},host:'127.0.0.1',allowHalfOpen:true});a.pipe(b);b.pipe(a);a.on('error',()=>b.destroy());b.on('error',()=>a.destroy());a.on('close',()=>b.destroy());b.on('close',()=>a.destroy())}).listen(${JSON.stringify(socket)},()=>console.log('ready'))`
      const relay = desktop.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
      if (relay.child.stdout) await once(relay.child.stdout, 'data')
      const server = createServer({ allowHalfOpen: true }, (near) => {
        const far = createConnection({ path: socket, allowHalfOpen: true })
        near.pipe(far)
        far.pipe(near)
        near.on('error', () => far.destroy()).on('close', () => far.destroy())
        far.on('error', () => near.destroy()).on('close', () => near.destroy())
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      servers.add(server)
      const bound = server.address()
      if (bound === null || typeof bound === 'string') throw new Error('the relay has no port')
      return {
        port: bound.port,
        url: `http://127.0.0.1:${bound.port}`,
        async [Symbol.asyncDispose]() {
          servers.delete(server)
          server.close()
          relay.kill('SIGKILL')
          await relay.ended
        },
      }
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close()
      await space.close()
      await Promise.all([...running].map((started) => started.ended))
    },
  }
  return desktop
}
