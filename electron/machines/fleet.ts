/**
 * The machines of this app and their workers: add, connect, keep connected, probe, remove. What is known about each
 * is in the live state and the store; what is open (SSH, worker) is here.
 */
import { randomUUID } from 'node:crypto'
import type { LiveState } from '../app-state.ts'
import { LanyardError, problemOf } from '../contract/errors.ts'
import type { Problem } from '../contract/errors.ts'
import type { AddMachine, Hardware, Machine } from '../contract/machine.ts'
import type { LogLine, MachineSample } from '../contract/monitor.ts'
import type { JobRun, Jobs, Questions } from '../jobs.ts'
import { openConnection, openThisComputer } from './connection.ts'
import type { Connection, SignInFacts } from './connection.ts'
import { removeWorker } from './install/install.ts'
import type { WorkerBundle } from './install/install.ts'
import { aboutTarget, parseAddress, readSshConfig, resolveTarget } from './reach/target.ts'
import type { Target } from './reach/target.ts'
import type { Ask } from './reach/sign-in.ts'
import type { Trust } from './trust/trust.ts'

export const thisMachineId = 'this'

export interface FleetDeps {
  state: LiveState
  jobs: Jobs
  questions: Questions
  trust: Trust
  records: { list(): Machine[]; put(machine: Machine): void; delete(id: string): boolean }
  bundle: WorkerBundle
  /** folder of this computer's own worker */
  workerFolder: string
  /** names of deployments that use a machine */
  usersOf(machineId: string): string[]
  onSample(sample: MachineSample): void
  onLog(line: LogLine): void
  log(level: 'info' | 'warn' | 'error', text: string): void
}

export interface Fleet {
  /** Lists what the store knows, starts this computer's worker and connects the others in the background. */
  start(): Promise<void>
  add(request: AddMachine): { id: string; result: Promise<Machine> }
  /** by id or name; throws `not_found` */
  find(name: string): Machine
  connect(name: string): Promise<Machine>
  /** the open connection, made anew if it was lost */
  connection(id: string): Promise<Connection>
  probe(name: string): Promise<Hardware>
  rename(name: string, to: string): void
  remove(name: string, forget: boolean): Promise<void>
  close(): Promise<void>
}

const steps = [
  { id: 'reach', label: 'Reach' },
  { id: 'host-key', label: 'Host key' },
  { id: 'sign-in', label: 'Sign in' },
  { id: 'look', label: 'Look around' },
  { id: 'install', label: 'Install the worker' },
  { id: 'start', label: 'Start the worker' },
  { id: 'measure', label: 'Measure' },
]
/** Waits between attempts to reach a machine that was lost, ms. */
const backoff = [500, 1000, 2000, 5000, 10_000, 30_000]

export function createFleet(deps: FleetDeps): Fleet {
  const { state } = deps
  const connections = new Map<string, Promise<Connection>>()
  /** passwords live as long as the app: never written down */
  const passwords = new Map<string, string>()
  const ending = new AbortController()
  const busy = new Set<string>()

  const get = (id: string): Machine | undefined => state.get().machines.find((machine) => machine.id === id)
  const change = (id: string, values: Partial<Machine>): void => {
    state.update((draft) => {
      const machine = draft.machines.find((each) => each.id === id)
      if (machine) Object.assign(machine, values)
    })
  }
  const keep = (id: string): void => {
    const machine = get(id)
    if (machine && machine.kind === 'ssh') deps.records.put(machine)
  }

  const find = (name: string): Machine => {
    const { machines } = state.get()
    const found = machines.find((machine) => machine.id === name) ?? machines.find((machine) => machine.name === name)
    if (!found)
      throw new LanyardError(
        'not_found',
        `No machine is called "${name}".`,
        `There are: ${machines.map((machine) => machine.name).join(', ')}.`,
      )
    return found
  }

  /** what follows once a worker is attached: facts into the state, samples and logs for as long as it lasts */
  function attached(id: string, connection: Connection): void {
    const { hello, client, closed } = connection.worker
    change(id, {
      state: 'ready',
      status: 'Ready',
      problem: null,
      lastSeen: Date.now(),
      hardware: connection.hardware,
      worker: { version: hello.version, hash: hello.hash, pid: hello.pid, startedAt: hello.startedAt },
    })
    keep(id)
    // Both end with the connection, which is handled below.
    client
      .stream('worker.samples', {}, (sample) => deps.onSample({ ...sample, machineId: id }), { signal: ending.signal })
      .catch(() => undefined)
    client
      .stream(
        'worker.logs',
        { lines: 200 },
        (line) => deps.onLog({ ...line, source: `${get(id)?.name ?? id}/${line.source}` }),
        { signal: ending.signal },
      )
      .catch(() => undefined)
    void closed.then(() => {
      connections.delete(id)
      if (ending.signal.aborted || get(id)?.state === 'removing') return
      void connection.close()
      lost(id, {
        code: 'machine_away',
        message: `The connection to ${get(id)?.name} was lost.`,
        hint: 'It is tried again; check that machine’s network and power.',
      })
      void reconnect(id)
    })
  }

  function lost(id: string, problem: Problem): void {
    change(id, { state: 'away', status: problem.message, problem, worker: null })
    keep(id)
    deps.log('warn', problem.message)
  }

  async function reconnect(id: string): Promise<void> {
    for (let attempt = 0; !ending.signal.aborted; attempt++) {
      await pause(backoff[Math.min(attempt, backoff.length - 1)]!, ending.signal)
      const machine = get(id)
      if (ending.signal.aborted || !machine || machine.state !== 'away' || connections.has(id)) return
      try {
        await open(machine, undefined)
        return
      } catch (error) {
        const problem = problemOf(error)
        change(id, { status: problem.message, problem })
        // Only time heals these; the others need the user.
        if (
          ![
            'host_unreachable',
            'host_unresolved',
            'ssh_refused',
            'ssh_failed',
            'machine_away',
            'timeout',
            'worker_failed',
          ].includes(problem.code)
        )
          return
      }
    }
  }

  async function targetOf(machine: Pick<Machine, 'entered' | 'identity'>): Promise<Target> {
    return resolveTarget(parseAddress(machine.entered), {
      config: await readSshConfig(),
      identity: machine.identity ?? undefined,
    })
  }

  /** Opens the machine's connection; `job` shows its steps and lets the user be asked. */
  function open(
    machine: Machine,
    job: JobRun | undefined,
    signIn: { password?: string; acceptHostKey?: string } = {},
  ): Promise<Connection> {
    const opening = (async () => {
      const connection =
        machine.kind === 'this'
          ? await openThisComputer(deps.bundle, deps.workerFolder)
          : await openConnection({
              target: await targetOf(machine),
              trust: deps.trust,
              bundle: deps.bundle,
              password: signIn.password ?? passwords.get(machine.id),
              acceptHostKey: signIn.acceptHostKey,
              ask: job && askThrough(job),
              signal: job?.signal ?? ending.signal,
              onPassword: (password) => passwords.set(machine.id, password),
              step: stepsOf(job),
              onFacts: (facts) => noteFacts(machine.id, facts),
            })
      const cpuSpeed = await stepsOf(job)(
        'measure',
        async () => {
          // A figure measured once stays: measuring takes seconds and disturbs what runs there.
          const known = get(machine.id)?.cpuSpeed
          return known ?? (await connection.worker.client.call('worker.measure', {}, { timeoutMs: 60_000 }))
        },
        (speed) => `reads ${(speed.readBytesPerSecond / 1e9).toFixed(1)} GB/s, ${speed.kernels}`,
      )
      change(machine.id, { cpuSpeed, dataAddress: connection.reach.remoteAddress })
      attached(machine.id, connection)
      return connection
    })()
    connections.set(machine.id, opening)
    opening.catch(() => {
      if (connections.get(machine.id) === opening) connections.delete(machine.id)
    })
    return opening
  }

  function noteFacts(id: string, facts: SignInFacts): void {
    change(id, {
      ...(facts.hostKey ? { hostKey: facts.hostKey } : {}),
      ...(facts.hardware ? { hardware: facts.hardware } : {}),
    })
  }

  function askThrough(job: JobRun): Ask {
    return (question) => deps.questions.ask({ ...question, jobId: job.id }, job.signal)
  }

  async function connection(id: string): Promise<Connection> {
    const open_ = connections.get(id)
    if (open_) return await open_
    const machine = get(id)
    if (!machine) throw new LanyardError('not_found', `Machine ${id} is not known.`)
    return await open(machine, undefined)
  }

  async function add(request: AddMachine, job: JobRun): Promise<Machine> {
    const entered = request.address.trim()
    const target = await targetOf({ entered, identity: request.identity ?? null })
    const address = aboutTarget(target)
    const known = state.get().machines.find((machine) => machine.address === address)
    if (known)
      throw new LanyardError(
        'machine_known',
        `${address} is already here as ${known.name}.`,
        `lanyard machines probe ${known.name} looks at it again.`,
      )
    const name = uniqueName(request.name ?? nameOf(entered, target), state.get().machines, request.name !== undefined)
    const id = randomUUID()
    const machine: Machine = {
      id,
      name,
      kind: 'ssh',
      address,
      entered,
      identity: request.identity ?? null,
      state: 'adding',
      status: 'Being added',
      hardware: null,
      worker: null,
      cpuSpeed: null,
      hostKey: null,
      dataAddress: null,
      problem: null,
      addedAt: Date.now(),
      lastSeen: null,
    }
    state.update((draft) => {
      draft.machines.push(machine)
    })
    try {
      const opened = await open(machine, job, { password: request.password, acceptHostKey: request.acceptHostKey })
      // A name nobody chose may as well be the one its owner gave it.
      if (
        request.name === undefined &&
        opened.hardware.hostname &&
        parseAddress(entered).host === target.host &&
        /^[\d.:]+$/.test(target.host)
      ) {
        change(id, {
          name: uniqueName(
            opened.hardware.hostname,
            state.get().machines.filter((each) => each.id !== id),
            false,
          ),
        })
      }
      keep(id)
      return get(id)!
    } catch (error) {
      // Not added: nothing of it stays here. What was installed there, if anything, a second try will find and use.
      state.update((draft) => {
        draft.machines = draft.machines.filter((each) => each.id !== id)
      })
      throw error
    }
  }

  return {
    find,
    connection,
    async start() {
      const now = Date.now()
      state.update((draft) => {
        draft.machines = [
          {
            id: thisMachineId,
            name: 'this',
            kind: 'this',
            address: '',
            entered: '',
            identity: null,
            state: 'connecting',
            status: 'Starting its worker',
            hardware: null,
            worker: null,
            cpuSpeed: null,
            hostKey: null,
            dataAddress: null,
            problem: null,
            addedAt: now,
            lastSeen: null,
          },
          ...deps.records.list().map((machine): Machine => ({
            ...machine,
            state: 'connecting',
            status: 'Connecting',
            worker: null,
            problem: null,
          })),
        ]
      })
      const opened = state.get().machines.map((machine) =>
        open(machine, undefined).catch((error: unknown) => {
          lost(machine.id, problemOf(error))
          void reconnect(machine.id)
        }),
      )
      await opened[0]
    },

    add: (request) =>
      deps.jobs.run('add-machine', `Add ${request.address}`, request.address, steps, (job) => add(request, job)),

    async connect(name) {
      const machine = find(name)
      if (!connections.has(machine.id)) {
        change(machine.id, { state: 'connecting', status: 'Connecting' })
        const job = deps.jobs.run('add-machine', `Connect ${machine.name}`, machine.name, steps, (run) =>
          open(machine, run),
        )
        await job.result.catch((error: unknown) => {
          lost(machine.id, problemOf(error))
          throw error
        })
      } else await connection(machine.id)
      return find(machine.id)
    },

    async probe(name) {
      const machine = find(name)
      const open_ = await connection(machine.id)
      const hardware = await open_.worker.client.call('worker.hardware', {}, { timeoutMs: 30_000 })
      change(machine.id, { hardware, lastSeen: Date.now() })
      keep(machine.id)
      return hardware
    },

    rename(name, to) {
      const machine = find(name)
      if (state.get().machines.some((each) => each.name === to && each.id !== machine.id)) {
        throw new LanyardError('machine_known', `There is already a machine called "${to}".`, 'Choose another name.')
      }
      change(machine.id, { name: to })
      keep(machine.id)
    },

    async remove(name, forget) {
      const machine = find(name)
      if (machine.kind === 'this')
        throw new LanyardError('bad_request', 'This computer cannot be removed.', 'Leave it out of plans with --on.')
      const users = deps.usersOf(machine.id)
      if (users.length > 0)
        throw new LanyardError(
          'machine_busy',
          `${machine.name} is used by ${users.join(', ')}.`,
          `Stop it first: lanyard stop ${users[0]}.`,
        )
      if (busy.has(machine.id)) throw new LanyardError('machine_busy', `${machine.name} is being removed already.`)
      busy.add(machine.id)
      try {
        if (!forget) {
          const open_ = await connection(machine.id).catch((error: unknown) => {
            const { code, message } = problemOf(error)
            throw new LanyardError(
              code,
              `${machine.name} cannot be cleaned: ${message}`,
              'Bring it back and try again, or forget it as it is: --forget.',
              { cause: error },
            )
          })
          change(machine.id, { state: 'removing', status: 'Being cleaned' })
          await removeWorker(open_.reach, open_.folder)
          await open_.close()
        }
        deps.records.delete(machine.id)
        await deps.trust.forget(await targetOf(machine))
        passwords.delete(machine.id)
        state.update((draft) => {
          draft.machines = draft.machines.filter((each) => each.id !== machine.id)
        })
        const left = connections.get(machine.id)
        connections.delete(machine.id)
        await left?.then(
          (each) => each.close(),
          () => undefined,
        )
      } catch (error) {
        if (get(machine.id)?.state === 'removing')
          change(machine.id, { state: 'ready', status: problemOf(error).message, problem: problemOf(error) })
        throw error
      } finally {
        busy.delete(machine.id)
      }
    },

    async close() {
      ending.abort()
      await Promise.all(
        [...connections.values()].map((each) =>
          each.then(
            (open_) => open_.close(),
            () => undefined,
          ),
        ),
      )
    },
  }
}

function stepsOf(job: JobRun | undefined): JobRun['step'] {
  return job ? job.step : async (_id, work) => await work(() => undefined)
}

function nameOf(entered: string, target: Target): string {
  const { host } = parseAddress(entered)
  return host === target.host && !/^[\d.:]+$/.test(host) ? (host.split('.')[0] ?? host) : host
}

/** The wanted name, or with a number behind it; one that the user chose must be free. */
function uniqueName(wanted: string, machines: Machine[], chosen: boolean): string {
  const taken = new Set(machines.map((machine) => machine.name))
  if (!taken.has(wanted)) return wanted
  if (chosen)
    throw new LanyardError(
      'machine_known',
      `There is already a machine called "${wanted}".`,
      'Choose another name with --name.',
    )
  for (let n = 2; ; n++) if (!taken.has(`${wanted}-${n}`)) return `${wanted}-${n}`
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
