/** The `lanyard` command: every noun of the contract from a shell, against the running app. */
import { Command, CommanderError, Option } from 'commander'
import { parseCount, parseDevices, parseShares } from './cli/arguments.ts'
import { chat } from './cli/chat.ts'
import { connectToApp, currentState } from './cli/connection.ts'
import { print, printError, setJson } from './cli/output.ts'
import * as show from './cli/show.ts'
import { createAnswerer, createProgress, followState } from './cli/watch.ts'
import type { AppContract } from './contract/app.ts'
import { LanyardError } from './contract/errors.ts'
import type { PlanRequest } from './contract/plan.ts'
import type { Client } from './contract/rpc/contract.ts'
import { lanyardHome } from './store/home.ts'
import { appVersion } from './version.ts'

const program = new Command('lanyard')
  .description('One model over all the machines on your LAN.')
  .version(appVersion)
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })

/** Every command takes --json and runs against the app. */
function command(parent: Command, usage: string, description: string): Command {
  return parent.command(usage).description(description).option('--json', 'print one JSON value')
}

async function withApp(
  options: { json?: boolean },
  run: (client: Client<AppContract>) => Promise<void>,
): Promise<void> {
  setJson(options.json === true)
  using client = await connectToApp(lanyardHome())
  await run(client)
}

async function readPassword(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) text += String(chunk)
  return text.replace(/\r?\n$/, '')
}

program
  .command('start')
  .description('start the app (npm start passes its arguments on to this)')
  .option('--headless', 'no window, even where one could be shown')
  .option('--ui-port <n>', 'port of the browser interface')
  .option('--openai-port <n>', 'port of the OpenAI-compatible API')
  .option('--no-discovery', 'do not listen for machines that announce themselves')
  .action(async () => {
    const { runHeadless } = await import('./headless.ts')
    await runHeadless(process.argv.slice(3))
  })

command(program, 'status', 'what is running').action((options: { json?: boolean }) =>
  withApp(options, async (client) => {
    const [info, state] = [await client.call('app.info', {}), await currentState(client)]
    print({ ...info, machines: state.machines, models: state.models, deployments: state.deployments }, () =>
      show.status(info, state),
    )
  }),
)

command(program, 'stop-app', 'end the app and everything it started').action((options: { json?: boolean }) =>
  withApp(options, async (client) => {
    await client.call('app.stop', {})
    print({ stopped: true }, () => 'Lanyard is stopping.')
  }),
)

command(program, 'doctor', 'check this computer and the machines').action((options: { json?: boolean }) =>
  withApp(options, async (client) => {
    const { checks } = await client.call('app.doctor', {})
    print(checks, () => show.checks(checks))
    if (checks.some((check) => check.result === 'fail')) process.exitCode = 1
  }),
)

const machines = program.command('machines').description('the machines and what they have')

command(machines, 'list', 'machines, and those that were found').action((options: { json?: boolean }) =>
  withApp(options, async (client) => {
    const state = await currentState(client)
    print({ machines: state.machines, found: state.found, discovery: state.discovery }, () => show.machines(state))
  }),
)

command(machines, 'scan', 'look for SSH servers on a private subnet')
  .option('--subnet <cidr>', 'for instance 192.168.1.0/24; default: this computer’s own')
  .action((options: { json?: boolean; subnet?: string }) =>
    withApp(options, async (client) => {
      const report = await client.call('machine.scan', { subnet: options.subnet })
      print(report, () => show.scan(report))
    }),
  )

command(machines, 'add <address>', 'add user@host[:port] or a Host of ~/.ssh/config')
  .option('--name <name>')
  .option('--identity <file>', 'private key file')
  .option('--password-stdin', 'read the password from standard input')
  .option('--accept-host-key <fingerprint>', 'SHA256:… to accept without asking')
  .action(
    (
      address: string,
      options: { json?: boolean; name?: string; identity?: string; passwordStdin?: boolean; acceptHostKey?: string },
    ) =>
      withApp(options, async (client) => {
        const password = options.passwordStdin ? await readPassword() : undefined
        const progress = createProgress(options.json === true)
        const answer = createAnswerer(client)
        const before = new Set((await currentState(client)).jobs.map((job) => job.id))
        using _ = followState(client, (state) => {
          answer(state.questions)
          for (const job of state.jobs) {
            if (job.kind !== 'add-machine' || before.has(job.id)) continue
            for (const step of job.steps)
              if (step.state !== 'pending' && step.state !== 'running')
                progress(`${job.id}/${step.id}`, show.step(step))
          }
        })
        const machine = await client.call('machine.addAndWait', {
          address,
          name: options.name,
          identity: options.identity,
          password,
          acceptHostKey: options.acceptHostKey,
        })
        print(machine, () => show.machine(machine))
      }),
  )

command(machines, 'probe <name>', 'look at a machine again').action((name: string, options: { json?: boolean }) =>
  withApp(options, async (client) => {
    const hardware = await client.call('machine.probe', { name })
    print(hardware, () => show.hardware(hardware))
  }),
)

command(machines, 'remove <name>', 'delete what Lanyard put there, and forget the machine')
  .option('--forget', 'only forget it: it does not answer')
  .action((name: string, options: { json?: boolean; forget?: boolean }) =>
    withApp(options, async (client) => {
      await client.call('machine.remove', { name, forget: options.forget === true })
      print({ removed: name }, () => `${name} is removed.`)
    }),
  )

const models = program.command('models').description('the model library')

command(models, 'list', 'models in the library').action((options: { json?: boolean }) =>
  withApp(options, async (client) => {
    const state = await currentState(client)
    print(state.models, () => show.models(state.models))
  }),
)

command(models, 'add <source>', 'add a model folder; guide brings the built-in guide back')
  .option('--name <name>')
  .action((source: string, options: { json?: boolean; name?: string }) =>
    withApp(options, async (client) => {
      const { resolve } = await import('node:path')
      const { existsSync } = await import('node:fs')
      const model = await client.call('model.add', {
        source: existsSync(source) ? resolve(source) : source,
        name: options.name,
      })
      print(model, () => show.models([model]))
    }),
  )

command(models, 'remove <name>', 'take a model out of the library; its files stay').action(
  (name: string, options: { json?: boolean }) =>
    withApp(options, async (client) => {
      await client.call('model.remove', { name })
      const { guide } = await currentState(client)
      const back = guide?.use === 'removed' && [guide.modelId, guide.modelName].includes(name)
      print({ removed: name }, () =>
        back
          ? `${guide.modelName} is no longer in the library and does not answer any more. lanyard models add ${guide.modelId} brings it back.`
          : `${name} is no longer in the library; its files were left alone.`,
      )
    }),
)

interface PlanOptions {
  json?: boolean
  on?: string
  shares?: string
  context?: string
  parallel?: string
  dtype?: PlanRequest['weights']
  kvDtype?: PlanRequest['kvDtype']
  wire?: PlanRequest['wire']
  name?: string
  engine?: 'native' | 'vllm-ray'
}

function planOptions(parent: Command): Command {
  return parent
    .option('--on <machines>', 'a,b or a:gpu0+gpu1,this:cpu*2; default: this computer')
    .option('--shares <shares>', 'one number per rank, for instance 3:1')
    .option('--context <n>', 'most tokens of one conversation')
    .option('--parallel <n>', 'most conversations that are answered at once')
    .addOption(
      new Option(
        '--dtype <dtype>',
        'what weights are turned into on load; int4 has a scale per 32 values, int4:64 and int4:128 per so many',
      ).choices(['bf16', 'int8', 'int4', 'int4:64', 'int4:128', 'f32']),
    )
    .addOption(
      new Option(
        '--kv-dtype <dtype>',
        'what keys and values are kept in: int8 takes half the memory of bf16 and is a little less exact',
      ).choices(['bf16', 'int8', 'f32']),
    )
    .addOption(
      new Option('--wire <type>', 'what values are between ranks; int8 halves what prompts send').choices([
        'bf16',
        'int8',
        'f32',
      ]),
    )
}

function planRequestOf(model: string, options: PlanOptions): PlanRequest {
  return {
    model,
    on: options.on === undefined ? [] : parseDevices(options.on),
    shares: options.shares === undefined ? undefined : parseShares(options.shares),
    context: options.context === undefined ? undefined : parseCount(options.context),
    maxSequences: options.parallel === undefined ? undefined : parseCount(options.parallel),
    weights: options.dtype,
    kvDtype: options.kvDtype,
    wire: options.wire,
  }
}

planOptions(command(program, 'plan <model>', 'what serving it would take, without doing it')).action(
  (model: string, options: PlanOptions) =>
    withApp(options, async (client) => {
      const plan = await client.call('plan.make', planRequestOf(model, options))
      print(plan, () => show.plan(plan))
      if (!plan.fits) process.exitCode = 1
    }),
)

planOptions(command(program, 'serve <model>', 'split a model over machines and serve it; waits until it is ready'))
  .option('--name <served>', 'served model name')
  .addOption(new Option('--engine <engine>').choices(['native', 'vllm-ray']))
  .action((model: string, options: PlanOptions) =>
    withApp(options, async (client) => {
      const request = { ...planRequestOf(model, options), name: options.name, engine: options.engine }
      const progress = createProgress(options.json === true)
      const running = new Set((await currentState(client)).deployments.map((deployment) => deployment.id))
      using _ = followState(client, (state) => {
        for (const deployment of state.deployments) {
          if (running.has(deployment.id) || deployment.state !== 'loading') continue
          progress(deployment.id, deployment.status)
          for (const rank of deployment.ranks) progress(`${deployment.id}/${rank.rank}`, show.rank(rank))
        }
      })
      const deployment = await client.call('deployment.startAndWait', request)
      const { openaiUrl } = await client.call('app.info', {})
      print(deployment, () => show.deployment(deployment, openaiUrl))
    }),
  )

command(program, 'stop <name>', 'stop a deployment').action((name: string, options: { json?: boolean }) =>
  withApp(options, async (client) => {
    await client.call('deployment.stop', { name })
    const { guide } = await currentState(client)
    const off = guide?.use === 'off' && guide.name === name
    print({ stopped: name }, () =>
      off
        ? `${name} is stopped and does not answer on demand any more. lanyard serve ${name} starts it again.`
        : `${name} is stopped.`,
    )
  }),
)

command(program, 'chat <model> [prompt]', 'ask a served model; without a prompt, a conversation')
  .option('--system <text>')
  .option('--temperature <n>')
  .option('--max-tokens <n>')
  .option('--seed <n>')
  .action(
    (
      model: string,
      prompt: string | undefined,
      options: { json?: boolean; system?: string; temperature?: string; maxTokens?: string; seed?: string },
    ) =>
      withApp(options, async (client) => {
        const { openaiUrl } = await client.call('app.info', {})
        await chat(openaiUrl, model, prompt, options)
      }),
  )

command(program, 'logs [name]', 'the newest log lines of the app, a machine or a deployment')
  .option('--lines <n>', 'how many', '200')
  .action((name: string | undefined, options: { json?: boolean; lines: string }) =>
    withApp(options, async (client) => {
      const { lines } = await client.call('log.tail', { source: name, lines: parseCount(options.lines) })
      print(lines, () => lines.map(show.logLine).join('\n'))
    }),
  )

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else process.exitCode = printError(error, error instanceof LanyardError && error.code === 'usage')
}
