import { appendFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startLan } from './lan.ts'
import type { Lan, LanHost } from './lan.ts'
import type * as scenarios from './scenarios.ts'
import type { Asked, Login, LoginResult } from './scenarios.ts'

/** a Node process starts in between */
const slow = { timeout: 20_000 }
const module = new URL('./scenarios.ts', import.meta.url)

describe('reaching a machine', () => {
  let lan: Lan
  let open: LanHost
  let keyOnly: LanHost
  beforeAll(async () => {
    lan = await startLan({
      hosts: 2,
      each: [
        { passwordAuth: true, gpus: [{ name: 'NVIDIA GeForce RTX 4090', memoryMiB: 24564, freeMiB: 20000 }] },
        undefined,
      ],
    })
    open = lan.hosts[0]!
    keyOnly = lan.hosts[1]!
  })
  afterAll(() => lan?.close())
  const knownHosts = () => path.join(lan.desktop.home, '.ssh/known_hosts')
  afterEach(() => rm(knownHosts(), { force: true }))

  const call = <T>(name: keyof typeof scenarios, input: unknown, onEvent?: (event: unknown) => void) =>
    lan.desktop.call<T>(module, name, input, onEvent)
  const signIn = (input: Login) => call<LoginResult>('signInOnce', input)
  const at = (host: LanHost) => `${host.user}@${host.address}`
  const noKey = () => path.join(lan.desktop.home, 'nothing')

  test('signs in with a key after the host key was confirmed, and pins it', async () => {
    const fingerprint = await open.hostKeyFingerprint()
    const result = await signIn({ address: at(open), answers: [{ accept: true }] })
    expect(result.output).toBe('ada\nhost1\n')
    expect(result).toMatchObject({
      localAddress: '10.77.0.1',
      remoteAddress: '10.77.0.11',
      pins: { '10.77.0.11': { type: 'ssh-ed25519', fingerprint } },
    })
    expect(result.asked).toEqual([
      { kind: 'host-key', about: 'ada@10.77.0.11:22', fingerprint, text: expect.stringContaining(fingerprint) },
    ])
    const again = await signIn({ address: at(open), pins: result.pins })
    expect(again.asked).toEqual([])
    expect(again.hostKey).toBe(`${fingerprint} Lanyard's own list`)
    expect(await call<string>('knownHosts', null)).toBe('')
  })

  test('signs in by a Host of ~/.ssh/config and a named key file', async () => {
    const acceptHostKey = await keyOnly.hostKeyFingerprint()
    expect((await signIn({ address: 'host2', acceptHostKey })).output).toBe('ada\nhost2\n')
    expect((await signIn({ address: at(keyOnly), acceptHostKey, identity: lan.desktop.identity })).output).toBe(
      'ada\nhost2\n',
    )
  })

  test('signs in with an agent', async () => {
    const agent = lan.desktop.spawn('ssh-agent', ['-D', '-a', `${lan.desktop.home}/agent`])
    await expect
      .poll(async () => (await lan.desktop.exec(`SSH_AUTH_SOCK=$HOME/agent ssh-add ~/.ssh/id_ed25519`)).code, slow)
      .toBe(0)
    await lan.desktop.exec('mv ~/.ssh/id_ed25519 ~/away')
    lan.desktop.env.SSH_AUTH_SOCK = `${lan.desktop.home}/agent`
    try {
      expect((await signIn({ address: at(keyOnly), acceptHostKey: await keyOnly.hostKeyFingerprint() })).output).toBe(
        'ada\nhost2\n',
      )
    } finally {
      delete lan.desktop.env.SSH_AUTH_SOCK
      await lan.desktop.exec('mv ~/away ~/.ssh/id_ed25519')
      agent.kill()
      await agent.ended
    }
  })

  test('goes on to the key files when the agent is gone', async () => {
    lan.desktop.env.SSH_AUTH_SOCK = `${lan.desktop.home}/no-agent`
    try {
      const acceptHostKey = await keyOnly.hostKeyFingerprint()
      expect((await signIn({ address: at(keyOnly), acceptHostKey })).output).toBe('ada\nhost2\n')
    } finally {
      delete lan.desktop.env.SSH_AUTH_SOCK
    }
  })

  test('signs in with a locked key file after asking for its passphrase once', async () => {
    await lan.desktop.exec('cp ~/.ssh/id_ed25519 ~/locked && ssh-keygen -q -p -N "open sesame" -f ~/locked')
    const input = { address: at(keyOnly), identity: `${lan.desktop.home}/locked` }
    const result = await signIn({ ...input, answers: [{ accept: true, text: 'open sesame' }, { accept: true }] })
    expect(result.asked.map((question) => question.kind)).toEqual(['passphrase', 'host-key'])
    expect(result.output).toBe('ada\nhost2\n')
    await expect(signIn({ ...input, answers: [{ accept: true, text: 'wrong' }] })).rejects.toMatchObject({
      code: 'key_unreadable',
      hint: expect.stringContaining('ssh-keygen -y'),
    })
    await expect(signIn(input)).rejects.toMatchObject({
      code: 'key_unreadable',
      hint: expect.stringContaining('ssh-add'),
    })
    await expect(signIn({ ...input, identity: noKey() })).rejects.toMatchObject({
      code: 'key_unreadable',
      message: expect.stringContaining('not there'),
    })
  })

  test('signs in with a password, given or asked for', async () => {
    const known = { address: at(open), acceptHostKey: await open.hostKeyFingerprint() }
    await lan.desktop.exec('mv ~/.ssh/id_ed25519 ~/away')
    try {
      expect((await signIn({ ...known, password: open.password })).output).toBe('ada\nhost1\n')
      const result = await signIn({
        ...known,
        answers: [
          { accept: true, text: 'wrong' },
          { accept: true, text: open.password },
        ],
      })
      expect(result.asked.map((question) => question.kind)).toEqual(['password', 'password'])
      expect(result.asked[1]?.text).toContain('not accepted')
    } finally {
      await lan.desktop.exec('mv ~/away ~/.ssh/id_ed25519')
    }
  })

  test('refuses a wrong password and says what the machine accepts', async () => {
    const error = {
      code: 'auth_failed',
      message: expect.stringMatching(/tried .*the password; it accepts publickey, ?password/),
      hint: expect.stringContaining('ssh-copy-id'),
    }
    await lan.desktop.exec('mv ~/.ssh/id_ed25519 ~/away')
    try {
      await expect(
        signIn({ address: at(open), acceptHostKey: await open.hostKeyFingerprint(), password: 'wrong' }),
      ).rejects.toMatchObject(error)
      await expect(
        signIn({ address: at(keyOnly), acceptHostKey: await keyOnly.hostKeyFingerprint() }),
      ).rejects.toMatchObject({ code: 'auth_failed', message: expect.stringContaining('no key or password to try') })
      await expect(
        signIn({
          address: at(keyOnly),
          acceptHostKey: await keyOnly.hostKeyFingerprint(),
          answers: [{ accept: false }],
        }),
      ).rejects.toMatchObject({ code: 'auth_failed' })
    } finally {
      await lan.desktop.exec('mv ~/away ~/.ssh/id_ed25519')
    }
  })

  test('sends neither key nor password to a machine whose host key nobody confirmed', async () => {
    await open.exec(': > /var/log/sshd', { root: true })
    await expect(signIn({ address: at(open), password: open.password })).rejects.toMatchObject({
      code: 'host_key_unknown',
      hint: expect.stringContaining('--accept-host-key SHA256:'),
    })
    await expect(
      signIn({ address: at(open), password: open.password, answers: [{ accept: false }] }),
    ).rejects.toMatchObject({ code: 'host_key_unknown' })
    await expect(signIn({ address: at(open), acceptHostKey: 'SHA256:other' })).rejects.toMatchObject({
      code: 'host_key_unknown',
      message: expect.stringContaining('SHA256:other'),
    })
    const log = (await open.exec('cat /var/log/sshd', { root: true })).stdout
    expect(log).toContain('Connection')
    expect(log).not.toMatch(/Accepted|Failed|Postponed/)
  })

  test('needs no question for a key that is in known_hosts, hashed too', async () => {
    const line = `${open.address} ${await open.hostKeyLine()}\n`
    await writeFile(knownHosts(), line)
    expect((await signIn({ address: at(open) })).hostKey).toContain(`${knownHosts()}:1`)
    await lan.desktop.exec('ssh-keygen -H && rm -f ~/.ssh/known_hosts.old')
    expect((await signIn({ address: at(open) })).hostKey).toContain(`${knownHosts()}:1`)
    await appendFile(knownHosts(), `@revoked * ${await open.hostKeyLine()}\n`)
    await expect(signIn({ address: at(open) })).rejects.toMatchObject({
      code: 'host_key_revoked',
      message: expect.stringContaining(`${knownHosts()}:2`),
    })
  })

  test('refuses a changed host key with both fingerprints and where the old one stands', async () => {
    await writeFile(knownHosts(), `${open.address} ${await open.hostKeyLine()}\n`)
    const old = await open.hostKeyFingerprint()
    await open.replaceHostKey()
    const changed = await open.hostKeyFingerprint()
    const answers = [{ accept: true }]
    const both = (where: string) => ({
      code: 'host_key_changed',
      message: expect.stringMatching(
        new RegExp(`${changed.replace(/[+/]/g, '\\$&')}.*${old.replace(/[+/]/g, '\\$&')}.*${where}`),
      ),
    })
    await expect(signIn({ address: at(open), answers })).rejects.toMatchObject({
      ...both('known_hosts:1'),
      hint: expect.stringContaining(`ssh-keygen -R '${open.address}'`),
    })
    await rm(knownHosts())
    await expect(
      signIn({
        address: at(open),
        answers,
        acceptHostKey: changed,
        pins: { [open.address]: { type: 'ssh-ed25519', fingerprint: old } },
      }),
    ).rejects.toMatchObject(both("Lanyard's own list"))
  })

  test('keeps no connection waiting while somebody thinks about the host key', async () => {
    const asked: Asked[] = []
    const thinkUntil = `${lan.desktop.home}/thought-enough`
    const input = { address: at(open), answers: [{ accept: true }], thinkUntil }
    const signing = call<LoginResult>('signInOnce', input, (event) => asked.push(event as Asked))
    await expect.poll(() => asked.length, slow).toBe(1)
    const sessions = async () =>
      (await open.processes()).filter((each) => /^sshd: (?!.*listener)/.test(each.command)).map((each) => each.command)
    await expect.poll(sessions, slow).toEqual([])
    await writeFile(thinkUntil, '')
    expect((await signing).output).toBe('ada\nhost1\n')
  })

  test('tells an unknown name, a silent address and a closed port apart', async () => {
    await expect(signIn({ address: 'ada@no-such-host' })).rejects.toMatchObject({
      code: 'host_unresolved',
      message: expect.stringContaining('no-such-host'),
    })
    await expect(signIn({ address: 'ada@10.77.0.200' })).rejects.toMatchObject({
      code: 'host_unreachable',
      hint: expect.stringContaining('ping 10.77.0.200'),
    })
    await expect(signIn({ address: 'ada@192.168.55.55' })).rejects.toMatchObject({ code: 'host_unreachable' })
    await keyOnly.stopSshd()
    await expect(signIn({ address: at(keyOnly) })).rejects.toMatchObject({
      code: 'ssh_refused',
      hint: expect.stringContaining('systemctl enable --now ssh'),
    })
    await keyOnly.startSshd()
    await keyOnly.setLink(false)
    await expect(signIn({ address: at(keyOnly), timeoutMs: 300 })).rejects.toMatchObject({ code: 'host_unreachable' })
    await keyOnly.setLink(true)
  })

  test('tells something that is not SSH from sshd', async () => {
    const server = open.space.spawn([
      'perl',
      '-MIO::Socket::INET',
      '-e',
      '$|=1; $s=IO::Socket::INET->new(LocalPort=>8022,Listen=>5,ReuseAddr=>1); print "up\\n"; while($c=$s->accept){print $c "HTTP/1.1 400 no\\r\\n\\r\\n"; close $c}',
    ])
    await new Promise((resolve) => server.child.stdout?.once('data', resolve))
    await expect(signIn({ address: `${at(open)}:8022` })).rejects.toMatchObject({
      code: 'ssh_failed',
      hint: expect.stringContaining('ssh -v -p 8022'),
    })
    server.kill('SIGKILL')
    await server.ended
  })

  test('notices a dropped connection on everything that uses it', async () => {
    const events: unknown[] = []
    const held = call<{ code: string; channelCode: number | null; after: string }>(
      'hold',
      { address: at(open), acceptHostKey: await open.hostKeyFingerprint() },
      (event) => events.push(event),
    )
    await expect.poll(() => events, slow).toEqual(['connected'])
    await open.dropConnections()
    expect(await held).toEqual({ code: 'machine_away', channelCode: null, after: 'machine_away' })
  })

  test('notices a pulled cable by keepalive', async () => {
    const events: unknown[] = []
    const held = call<{ code: string }>(
      'hold',
      { address: at(open), acceptHostKey: await open.hostKeyFingerprint(), keepaliveMs: 300 },
      (event) => events.push(event),
    )
    await expect.poll(() => events, slow).toEqual(['connected'])
    await open.setLink(false)
    const started = performance.now()
    const { code } = await held.finally(() => open.setLink(true))
    expect(code).toBe('machine_away')
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  test('carries words through the login shell exactly as they are', async () => {
    const argv = ['', "it's", '$HOME', '`id`', 'a\nb', '\\', '你好', '-x', '*', '~', '"q"', '!!', '{a,b}']
    expect(
      await call<string[]>('words', { address: at(open), acceptHostKey: await open.hostKeyFingerprint(), argv }),
    ).toEqual(argv)
  })

  test('probes without putting anything there', async () => {
    const before = await open.find(open.homePath)
    const facts = await call<import('../../electron/contract/machine.ts').Hardware>('probe', {
      address: at(open),
      acceptHostKey: await open.hostKeyFingerprint(),
    })
    expect(facts).toMatchObject({
      hostname: 'host1',
      home: '/home/ada',
      interfaces: expect.arrayContaining([
        expect.objectContaining({ name: 'eth0', addresses: expect.arrayContaining(['10.77.0.11/24']) }),
      ]),
    })
    expect(facts.gpus).toEqual([
      {
        index: 0,
        name: 'NVIDIA GeForce RTX 4090',
        uuid: expect.stringMatching(/^GPU-/),
        driver: '580.95.05',
        memoryTotal: 24564 * 2 ** 20,
        memoryFree: 20000 * 2 ** 20,
      },
    ])
    expect(await open.find(open.homePath)).toEqual(before)
    const plain = await call<import('../../electron/contract/machine.ts').Hardware>('probe', {
      address: at(keyOnly),
      acceptHostKey: await keyOnly.hostKeyFingerprint(),
    })
    expect(plain.gpus).toEqual([])
  })

  test('moves bytes at tens of megabytes a second', async () => {
    const figures = await call<{ megabytesPerSecond: number; roundTripMs: number }>('throughput', {
      address: at(open),
      acceptHostKey: await open.hostKeyFingerprint(),
      megabytes: 200,
    })
    console.log(
      `SSH between namespaces: ${figures.megabytesPerSecond.toFixed(0)} MB/s, exec round trip ${figures.roundTripMs.toFixed(1)} ms`,
    )
    expect(figures.megabytesPerSecond).toBeGreaterThan(10)
  })
})
