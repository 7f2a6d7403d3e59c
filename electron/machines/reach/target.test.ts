import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { LanyardError } from '../../contract/errors.ts'
import { aboutTarget, configuredHosts, parseAddress, readSshConfig, resolveTarget } from './target.ts'

const config = `
Host gpu-1 big
  HostName 10.0.0.7
  User ada
  Port 2222
  IdentityFile ~/.ssh/gpu
  IdentityFile /keys/%h-%r

Host behind
  ProxyJump gate

Host piped
  ProxyCommand nc %h %p

Host direct
  ProxyJump none
  HostKeyAlias elsewhere
  UserKnownHostsFile ~/a /b
  IdentitiesOnly yes

Host *.lan !not.lan
  User lanuser

Match exec "touch /tmp/lanyard-was-here"
  User exec
`
const options = { config, home: '/home/me', agent: '/agent', userName: 'me' }
const resolve = (address: string) => resolveTarget(parseAddress(address), options)

describe('an address', () => {
  test.each([
    ['gpu-1', { host: 'gpu-1', user: null, port: null }],
    ['ada@gpu-1', { host: 'gpu-1', user: 'ada', port: null }],
    ['ada@10.0.0.7:2222', { host: '10.0.0.7', user: 'ada', port: 2222 }],
    [' ssh://ada@gpu-1:22/ ', { host: 'gpu-1', user: 'ada', port: 22 }],
    ['ada@fe80::1%eth0', { host: 'fe80::1%eth0', user: 'ada', port: null }],
    ['[fe80::1]:2222', { host: 'fe80::1', user: null, port: 2222 }],
  ])('is understood: %s', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected)
  })

  test.each([
    '',
    '@gpu',
    'ada@',
    '-oProxyCommand=x',
    'ada@-x',
    'a b',
    'gpu;id',
    'gpu`id`',
    '$(id)@gpu',
    '-x@gpu',
    'gpu:0',
    'gpu:65536',
    'gpu:ssh',
    'a:b:c',
    '[::1',
    'gpu/x',
  ])('is refused: %j', (text) => {
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'bad_request' }))
  })

  test('is either refused with a hint or free of everything that a shell or an option parser reads', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        try {
          const { host, user } = parseAddress(text)
          expect(host).toMatch(/^[A-Za-z0-9._:%][A-Za-z0-9._:%-]*$/)
          if (user !== null) expect(user).not.toMatch(/[\s'"`$;&|<>()\\]|^-/)
        } catch (error) {
          expect(error).toBeInstanceOf(LanyardError)
          expect((error as LanyardError).hint).not.toBe('')
        }
      }),
    )
  })
})

describe('a target', () => {
  test('takes host, port, user and keys from the configuration', () => {
    expect(resolve('gpu-1')).toEqual({
      host: '10.0.0.7',
      port: 2222,
      user: 'ada',
      keyName: '10.0.0.7',
      identities: ['/home/me/.ssh/gpu', '/keys/10.0.0.7-ada'],
      onlyIdentities: false,
      agent: '/agent',
      knownHostsFiles: null,
    })
  })

  test('takes what the address says before what the configuration says', () => {
    expect(resolve('eve@gpu-1:22')).toMatchObject({ host: '10.0.0.7', port: 22, user: 'eve' })
    expect(aboutTarget(resolve('eve@gpu-1:22'))).toBe('eve@10.0.0.7:22')
  })

  test('has defaults where the configuration says nothing', () => {
    expect(resolve('10.1.1.1')).toMatchObject({
      host: '10.1.1.1',
      port: 22,
      user: 'me',
      identities: ['/home/me/.ssh/id_ed25519', '/home/me/.ssh/id_ecdsa', '/home/me/.ssh/id_rsa'],
    })
    expect(resolve('a.lan').user).toBe('lanuser')
    expect(resolve('not.lan').user).toBe('me')
  })

  test('is tried with nothing but the key that the user named', () => {
    expect(resolveTarget(parseAddress('gpu-1'), { ...options, identity: '~/other' })).toMatchObject({
      identities: ['/home/me/other'],
      onlyIdentities: true,
      agent: null,
    })
  })

  test('honours alias, own known_hosts files and IdentitiesOnly', () => {
    expect(resolve('direct')).toMatchObject({
      keyName: 'elsewhere',
      agent: null,
      knownHostsFiles: ['/home/me/a', '/b'],
    })
  })

  test.each(['behind', 'piped'])('behind another machine is refused by name: %s', (host) => {
    expect(() => resolve(host)).toThrow(expect.objectContaining({ code: 'machine_unsupported' }))
  })

  test('never runs a command of the configuration', () => {
    expect(resolve('anything').user).toBe('me')
  })
})

test('the configuration lists the hosts that name one machine', () => {
  expect(configuredHosts(config).map((host) => `${host.name} ${host.user ?? '-'} ${host.host}:${host.port}`)).toEqual([
    'gpu-1 ada 10.0.0.7:2222',
    'big ada 10.0.0.7:2222',
    'behind - behind:22',
    'piped - piped:22',
    'direct - direct:22',
  ])
})

describe('the configuration file', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
  })

  test('is read with what it includes, and may be missing', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'lanyard-config-'))
    folders.push(folder)
    await mkdir(path.join(folder, 'more'))
    await writeFile(path.join(folder, 'config'), 'Include more/*.conf\nInclude missing\nHost a\n  HostName 1.1.1.1\n')
    await writeFile(path.join(folder, 'more/b.conf'), 'Host b\n  HostName 2.2.2.2\n')
    expect(configuredHosts(await readSshConfig(path.join(folder, 'config'))).map((host) => host.host)).toEqual([
      '2.2.2.2',
      '1.1.1.1',
    ])
    expect(await readSshConfig(path.join(folder, 'none'))).toBe('')
  })
})
