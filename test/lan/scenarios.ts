/** What the system tests do on the desktop: each function runs in a Node process there (see `desktop.call`). */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { FoundMachine, Hardware, ScanReport } from '../../electron/contract/machine.ts'
import {
  createFinder,
  createTrust,
  installWorker,
  ownInterfaces,
  parseAddress,
  probeMachine,
  readSshConfig,
  removeWorker,
  resolveTarget,
  scanForMachines,
  signIn,
} from '../../electron/machines/machines.ts'
import type { Ask, Installed, Pin, Reach, SignIn, WorkerBundle } from '../../electron/machines/machines.ts'
import { openWorkerLink } from '../../electron/machines/worker-link.ts'
import { knownHostsName } from '../../electron/machines/trust/known-hosts.ts'

export type Asked = { kind: string; about: string; text: string; fingerprint: string | null }

export type Login = {
  /** as a user types it */
  address: string
  identity?: string
  password?: string
  acceptHostKey?: string
  /** pins that are there already, by known_hosts name */
  pins?: Record<string, Pin>
  /** answers to questions in order; none given: nobody can be asked */
  answers?: { accept: boolean; remember?: boolean; text?: string }[]
  /** a file whose appearance ends the thinking about each question */
  thinkUntil?: string
  timeoutMs?: number
  keepaliveMs?: number
}

export type LoginResult = {
  asked: Asked[]
  pins: Record<string, Pin>
  output: string
  remoteAddress: string | null
  localAddress: string | null
  hostKey: string
}
type Emit = (event: unknown) => void

type SignedIn = { reach: Reach; asked: Asked[]; pins: Map<string, Pin>; hostKey: string }

async function login(input: Login, emit: Emit = () => undefined): Promise<SignedIn> {
  const pins = new Map(Object.entries(input.pins ?? {}))
  const trust = createTrust({
    get: (host, port) => pins.get(knownHostsName(host, port)) ?? null,
    set: (host, port, pin) => void pins.set(knownHostsName(host, port), pin),
    remove: (host, port) => void pins.delete(knownHostsName(host, port)),
  })
  const asked: Asked[] = []
  const answers = [...(input.answers ?? [])]
  const ask: Ask = async (question) => {
    const seen = {
      kind: question.kind,
      about: question.about,
      text: question.text,
      fingerprint: question.hostKey?.fingerprint ?? null,
    }
    asked.push(seen)
    emit(seen)
    while (input.thinkUntil !== undefined && !existsSync(input.thinkUntil)) await delay(10)
    const next = answers.shift()
    return { accept: next?.accept ?? false, remember: next?.remember ?? true, text: next?.text ?? null }
  }
  let hostKey = ''
  const options: SignIn = {
    trust,
    target: resolveTarget(parseAddress(input.address), {
      config: await readSshConfig(),
      identity: input.identity,
      agent: process.env.SSH_AUTH_SOCK ?? null,
    }),
    password: input.password,
    acceptHostKey: input.acceptHostKey,
    ask: input.answers && ask,
    timeoutMs: input.timeoutMs,
    keepaliveMs: input.keepaliveMs,
    onHostKey: (key, where) => (hostKey = `${key.fingerprint} ${where}`),
  }
  return {
    reach: await signIn(options),
    asked,
    pins,
    get hostKey() {
      return hostKey
    },
  }
}

/** Signs in and runs one harmless command. */
export async function signInOnce(input: Login, emit: Emit): Promise<LoginResult> {
  const { reach, asked, pins, hostKey } = await login(input, emit)
  await using _ = reach
  const { stdout } = await reach.exec(['sh', '-c', 'id -un; hostname'])
  return {
    asked,
    pins: Object.fromEntries(pins),
    output: stdout,
    remoteAddress: reach.remoteAddress,
    localAddress: reach.localAddress,
    hostKey,
  }
}

export async function probe(input: Login): Promise<Hardware> {
  const { reach } = await login(input)
  await using _ = reach
  return await probeMachine(reach)
}

export type Installing = Login & { bundle: WorkerBundle }
export type InstallResult = { installed: Installed; progress: number; echoed: string; milliseconds: number }

/** Signs in, probes, installs, and sends a word through the attached worker. */
export async function install({ bundle, ...input }: Installing, emit: Emit): Promise<InstallResult> {
  const { reach } = await login(input)
  await using _ = reach
  const hardware = await probeMachine(reach)
  let progress = 0
  const started = performance.now()
  const installed = await installWorker(reach, hardware, bundle, {
    onBytes(sent) {
      if (progress === 0) emit('sending')
      progress = sent
    },
  })
  const milliseconds = performance.now() - started
  const { stream, ended } = await reach.channel([installed.launcher, 'attach'])
  stream.end('hello')
  let echoed = ''
  for await (const chunk of stream) echoed += String(chunk)
  await ended
  return { installed, progress, echoed, milliseconds }
}

/** Installs the real worker and asks it for its version. */
export async function installReal({
  bundle,
  ...input
}: Installing): Promise<{ installed: Installed; version: string; milliseconds: number }> {
  const { reach } = await login(input)
  await using _ = reach
  const hardware = await probeMachine(reach)
  const started = performance.now()
  const installed = await installWorker(reach, hardware, bundle)
  const milliseconds = performance.now() - started
  const { stdout, stderr } = await reach.exec([installed.launcher, 'version'])
  return { installed, version: stdout || stderr, milliseconds }
}

export type Attaching = Installing & { leaseSeconds: number }
export type Attached = { pid: number; hash: string }

/** Installs if need be, attaches as the app does, and says hello; `until` decides how long to stay. */
async function attach(
  { bundle, leaseSeconds, ...input }: Attaching,
  until: (hello: Attached, closed: Promise<void>) => Promise<void>,
): Promise<Attached> {
  const { reach } = await login(input)
  await using _ = reach
  const installed = await installWorker(reach, await probeMachine(reach), bundle)
  const channel = await reach.channel([
    installed.launcher,
    'attach',
    '--folder',
    installed.folder,
    '--lease',
    String(leaseSeconds),
  ])
  const worker = await openWorkerLink({ reach, ...installed }, channel)
  const hello = { pid: worker.hello.pid, hash: worker.hello.hash }
  await until(hello, worker.closed)
  worker.close()
  return hello
}

export function attachOnce(input: Attaching): Promise<Attached> {
  return attach(input, async () => undefined)
}

/** Emits the hello, then stays until the connection breaks. */
export function attachUntilLost(input: Attaching, emit: Emit): Promise<Attached> {
  return attach(input, async (hello, closed) => {
    emit(hello)
    await closed
  })
}

export async function removeAll(input: Attaching): Promise<void> {
  const { reach } = await login(input)
  await using _ = reach
  await removeWorker(reach, `${(await probeMachine(reach)).home}/.lanyard`)
}

/** Installs, starts something that outlives the connection, and removes everything with another connection. */
export async function installAndRemove(input: Installing, emit: Emit): Promise<void> {
  const { installed } = await install(input, () => undefined)
  {
    const { reach } = await login(input)
    await using _ = reach
    emit((await reach.exec([installed.launcher, 'linger'])).stdout.trim())
  }
  const { reach } = await login(input)
  await using _ = reach
  await removeWorker(reach, installed.folder)
}

/** Holds a connection open and tells when it is noticed to be gone, and what a call on it says then. */
export async function hold(
  input: Login,
  emit: Emit,
): Promise<{ code: string; channelCode: number | null; after: string }> {
  const { reach } = await login(input)
  const running = reach.exec(['sleep', '86396'], { timeoutMs: Infinity }).then(
    () => 'ended',
    (error: { code: string }) => error.code,
  )
  const { ended } = await reach.channel(['cat'])
  emit('connected')
  await reach.closed
  const after = await reach.exec(['true']).then(
    () => 'ran',
    (error: { code: string }) => error.code,
  )
  return { code: await running, channelCode: (await ended).code, after }
}

export type Throughput = { megabytesPerSecond: number; roundTripMs: number }

/** Bytes per second into a program there, and the time of an exec'd `true`. */
export async function throughput(input: Login & { megabytes: number }): Promise<Throughput> {
  const { reach } = await login(input)
  await using _ = reach
  const bytes = Buffer.alloc(input.megabytes * 1e6)
  const started = performance.now()
  await reach.exec(['sh', '-c', 'cat >/dev/null'], { stdin: bytes, timeoutMs: Infinity })
  const seconds = (performance.now() - started) / 1000
  const rounds: number[] = []
  for (let round = 0; round < 10; round++) {
    const before = performance.now()
    await reach.exec(['true'])
    rounds.push(performance.now() - before)
  }
  return { megabytesPerSecond: input.megabytes / seconds, roundTripMs: rounds.toSorted((a, b) => a - b)[5] ?? 0 }
}

/** One argument list, there and back. */
export async function words(input: Login & { argv: string[] }): Promise<string[]> {
  const { reach } = await login(input)
  await using _ = reach
  const { stdout } = await reach.exec(['printf', '%s\\0', ...input.argv])
  return stdout.split('\0').slice(0, -1)
}

export async function scan(input: { subnet?: string; timeoutMs?: number }): Promise<ScanReport> {
  return await scanForMachines(input)
}

/** Listens until `count` machines are found; asks aloud when told to. Emits "listening", then the list at every change. */
export async function discover(
  input: { count: number; ask: boolean },
  emit: Emit,
): Promise<{ found: FoundMachine[]; problems: string[]; milliseconds: number }> {
  const problems: string[] = []
  const enough = Promise.withResolvers<FoundMachine[]>()
  const started = performance.now()
  const announced = (found: FoundMachine[]) => found.filter((machine) => machine.via === 'mdns')
  using finder = await createFinder({
    sshConfig: async () => '',
    onProblem: (text) => problems.push(text),
    onChange: (found) => announced(found).length >= input.count && enough.resolve(announced(found)),
  })
  emit('listening')
  if (input.ask) finder.ask()
  const found = await enough.promise
  return { found, problems, milliseconds: performance.now() - started }
}

/** Everything at once, as the app composes it: configuration, mDNS and a scan in one list. */
export async function everything(): Promise<{ found: FoundMachine[]; report: ScanReport; interfaces: string[] }> {
  using finder = await createFinder()
  const report = await finder.scan()
  return {
    found: finder.found(),
    report,
    interfaces: ownInterfaces().map((own) => `${own.name} ${own.address}/${own.prefix}`),
  }
}

/** Lines of the desktop's known_hosts, to show that it is never written. */
export async function knownHosts(): Promise<string> {
  return await readFile(`${process.env.HOME}/.ssh/known_hosts`, 'utf8').catch(() => '')
}
