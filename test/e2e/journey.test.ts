/** Add, serve over two and three machines, chat, the official client, remove; on hosts without Node or the checkout. */
import OpenAI from 'openai'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { Machine } from '../../electron/contract/machine.ts'
import { startLan } from '../lan/lan.ts'
import type { Forward, Lan } from '../lan/lan.ts'
import { fixtures, startDesktopApp } from './desktop-app.ts'
import type { DesktopApp } from './desktop-app.ts'

if (!fixtures) console.log('../shared/fixtures is not here: the journey over several machines is left out.')

describe.runIf(fixtures)('one model over several machines', () => {
  let lan: Lan
  let app: DesktopApp
  let port: Forward
  let client: OpenAI
  beforeAll(async () => {
    lan = await startLan({ hosts: 3 })
    app = await startDesktopApp(lan)
    port = await lan.desktop.forward(app.openaiPort)
    // The port checks the Host header, which must name it as the desktop knows it.
    client = new OpenAI({
      baseURL: `${port.url}/v1`,
      apiKey: 'none',
      defaultHeaders: { host: `127.0.0.1:${app.openaiPort}` },
      maxRetries: 0,
    })
  })
  afterAll(async () => {
    await port?.[Symbol.asyncDispose]()
    await app?.close()
    await lan?.close()
  })
  const model = path.join(fixtures ?? '', 'qwen1')
  const bytesSent = (deployment: Deployment): number[] => deployment.ranks.map((rank) => rank.sentBytes)

  test('machines are added by their Host in ~/.ssh/config once their key is confirmed', async () => {
    for (const host of lan.hosts) {
      expect((await host.exec('command -v node; ls /work 2>/dev/null')).stdout).toBe('')
      const unknown = await app.lanyard('machines', 'add', host.name)
      expect(unknown.error).toMatchObject({
        code: 'host_key_unknown',
        message: expect.stringContaining(await host.hostKeyFingerprint()) as string,
      })
      const added = await app.lanyard<Machine>(
        'machines',
        'add',
        host.name,
        '--accept-host-key',
        await host.hostKeyFingerprint(),
      )
      expect(added.value).toMatchObject({ name: host.name, state: 'ready', hardware: { hostname: host.name } })
    }
    expect((await app.lanyard('models', 'add', model, '--name', 'qwen')).code).toBe(0)
  })

  const answers: string[] = []
  test.each([['this'], ['host1,host2'], ['host1,host2,host3'], ['this:cpu*3'], ['host3,this']])(
    'served on %s, greedy text is the same and a second serve sends no weights',
    async (on) => {
      const first = await app.lanyard<Deployment>('serve', 'qwen', '--on', on, '--name', 'q', '--dtype', 'f32')
      expect(first.code, first.stderr).toBe(0)
      const remote = first.value.ranks.filter((rank) => rank.machineName !== 'this')
      for (const rank of remote) {
        expect(rank.sentBytes).toBe(rank.shardBytes)
        // Each machine gets its slices, not the model: embeddings are whole on every rank, the rest is shared.
        expect(rank.shardBytes).toBeLessThan(1_700_000)
      }
      console.log(`  ${on}: bytes sent ${bytesSent(first.value).join(' + ')} of a model of ${1_716_008}`)
      const answer = await client.chat.completions.create({
        model: 'q',
        messages: [{ role: 'user', content: '你好' }],
        max_tokens: 24,
        temperature: 0,
      })
      answers.push(answer.choices[0]!.message.content ?? '')
      expect(answers.at(-1)).toBe(answers[0])
      expect((await app.lanyard('stop', 'q')).code).toBe(0)
      const second = await app.lanyard<Deployment>('serve', 'qwen', '--on', on, '--name', 'q', '--dtype', 'f32')
      expect(bytesSent(second.value)).toEqual(second.value.ranks.map(() => 0))
      expect((await app.lanyard('stop', 'q')).code).toBe(0)
    },
  )

  test('the article’s request works as it stands, streamed and not, and unequal shares serve too', async () => {
    expect((await app.lanyard('serve', 'qwen', '--on', 'host1,host2', '--shares', '3:1', '--name', 'qwen')).code).toBe(
      0,
    )
    const request = {
      model: 'qwen',
      messages: [{ role: 'user' as const, content: '你好' }],
      max_tokens: 512,
      temperature: 0.7,
      top_p: 0.9,
      seed: 10,
      stop: ['<|endoftext|>', '<|im_end|>', '<|im_start|>'],
    }
    const whole = await client.chat.completions.create(request)
    expect(whole.usage!.completion_tokens).toBeGreaterThan(0)
    let streamed = ''
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true }))
      streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).toBe(whole.choices[0]!.message.content)
    expect(
      (await app.lanyard<{ text: string }>('chat', 'qwen', '你好', '--max-tokens', '5', '--seed', '1')).value.text
        .length,
    ).toBeGreaterThan(0)
  })

  test('a name that is taken and a machine in use are refused with what to do', async () => {
    expect((await app.lanyard('serve', 'qwen', '--on', 'this')).error).toMatchObject({
      code: 'name_taken',
      hint: expect.stringContaining('--name') as string,
    })
    expect((await app.lanyard('machines', 'remove', 'host1')).error).toMatchObject({ code: 'machine_busy' })
    expect((await app.lanyard('models', 'remove', 'qwen')).error).toMatchObject({ code: 'model_in_use' })
  })

  test('a rank that is killed while serving is named, its requests end with an error, and serving again works', async () => {
    const rank = (await lan.hosts[1]!.processes()).find((each) => / rank\b/.test(each.command))
    const request = {
      model: 'qwen',
      messages: [{ role: 'user' as const, content: 'hello' }],
      stream: true as const,
      ignore_eos: true,
    }
    const answer = await client.chat.completions.create(request)
    const failure = await (async () => {
      let killed = false
      for await (const _ of answer) {
        if (!killed) await lan.hosts[1]!.exec(`kill -9 ${rank!.pid}`, { root: true })
        killed = true
      }
      return 'no error'
    })().catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    expect(failure).toMatch(/[Rr]ank/)
    await expect
      .poll(
        async () => {
          const { value } = await app.lanyard<{ deployments: Deployment[] }>('status')
          return value.deployments.find((each) => each.name === 'qwen')?.problem?.message ?? ''
        },
        { timeout: 15_000 },
      )
      .toMatch(/host[12]/)
    const again = await app.lanyard<Deployment>('serve', 'qwen', '--on', 'host1,host2', '--name', 'qwen')
    expect(again.code, again.stderr).toBe(0)
    expect(
      (
        await client.chat.completions.create({
          model: 'qwen',
          messages: [{ role: 'user', content: 'hi' }],
          max_tokens: 4,
        })
      ).usage!.completion_tokens,
    ).toBeGreaterThan(0)
    expect((await app.lanyard('stop', 'qwen')).code).toBe(0)
  })

  test('an app killed with -9 comes back with its machines and models, and no rank outlives it for long', async () => {
    expect((await app.lanyard('serve', 'qwen', '--on', 'host1,host2', '--name', 'qwen')).code).toBe(0)
    app.process.kill('SIGKILL')
    await app.process.ended
    await expect.poll(async () => (await lan.desktop.exec('pgrep -f worker.mjs')).stdout, { timeout: 10_000 }).toBe('')
    app = await startDesktopApp(lan)
    await expect
      .poll(
        async () => {
          const { value } = await app.lanyard<{ machines: Machine[] }>('status')
          return value.machines.map((each) => `${each.name} ${each.state}`)
        },
        { timeout: 15_000 },
      )
      .toEqual(['this ready', 'host1 ready', 'host2 ready', 'host3 ready'])
    const { value } = await app.lanyard<{ models: unknown[] }>('status')
    expect(value.models).toHaveLength(1)
    expect((await app.lanyard('serve', 'qwen', '--on', 'host1,host2', '--name', 'qwen')).code).toBe(0)
    expect((await app.lanyard('stop', 'qwen')).code).toBe(0)
  })

  test('removing the machines leaves no file and no process there', async () => {
    for (const host of lan.hosts) {
      const removed = await app.lanyard('machines', 'remove', host.name)
      expect(removed.code, removed.stderr).toBe(0)
      expect((await host.find(host.homePath)).toSorted()).toEqual([
        '/home/ada',
        '/home/ada/.ssh',
        '/home/ada/.ssh/authorized_keys',
      ])
      expect((await host.processes()).filter((each) => each.command.includes('.lanyard'))).toEqual([])
    }
  })
})
