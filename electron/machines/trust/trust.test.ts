import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { decideHostKey, recordedTypes } from './decide.ts'
import type { Pin } from './decide.ts'
import { hostKeyOf } from './host-key.ts'
import { keysForHost } from './known-hosts.ts'
import { createTrust, refusal } from './trust.ts'
import type { PinStore } from './trust.ts'

/** Made by ssh-keygen for this test; its fingerprint as `ssh-keygen -lf` printed it. */
const one = 'AAAAC3NzaC1lZDI1NTE5AAAAIN9YoZhjEzklM7PDOXNOHjpbtDjpViBhDuyr9g6zuUsE'
const oneFingerprint = 'SHA256:Vd4bSZhXTcb/8cxsloa5nOX2/CTFKJDYSQbMsU+eeXI'
/** `ssh-keygen -H` of `[gpu-1]:2222` and `gpu-2` */
const hashed = `|1|g0zdgns0ZSKCR52SvdgodCqpAGI=|rxfY3ufIq6X3G4i8fHwXLBkh+Ps= ssh-ed25519 ${one}
|1|4QDncJi+aIxDE9NK0wGyBNgO5I0=|CbKpiwBaH5Kawa9sdaSgLKyFDzA= ssh-ed25519 ${one}
`
const key = hostKeyOf(Buffer.from(one, 'base64'))
const otherBlob = Buffer.from(one, 'base64')
otherBlob[40] = (otherBlob[40] ?? 0) ^ 1
const other = hostKeyOf(otherBlob)
const find = (text: string, host: string, port = 22) => keysForHost(text, 'known_hosts', host, port)

function mapStore(): PinStore & { map: Map<string, Pin> } {
  const map = new Map<string, Pin>()
  const id = (host: string, port: number) => `${host}:${port}`
  return {
    map,
    get: (host, port) => map.get(id(host, port)) ?? null,
    set: (host, port, pin) => void map.set(id(host, port), pin),
    remove: (host, port) => void map.delete(id(host, port)),
  }
}

test('a key has the fingerprint that ssh-keygen prints', () => {
  expect(key).toEqual({ type: 'ssh-ed25519', key: one, fingerprint: oneFingerprint })
  expect(() => hostKeyOf(Buffer.from('nonsense'))).toThrow(TypeError)
})

describe('known_hosts', () => {
  test('is read with plain names, ports, several names and any case', () => {
    const text = `# comment\n\nGPU-1,10.0.0.1 ssh-ed25519 ${one}\n[gpu-2]:2222 ssh-ed25519 ${one} a comment\n`
    expect(find(text, 'gpu-1')).toEqual([{ marker: 'none', type: 'ssh-ed25519', key: one, where: 'known_hosts:3' }])
    expect(find(text, 'Gpu-1')).toHaveLength(1)
    expect(find(text, '10.0.0.1')).toHaveLength(1)
    expect(find(text, 'gpu-1', 2222)).toEqual([])
    expect(find(text, 'gpu-2')).toEqual([])
    expect(find(text, 'gpu-2', 2222)[0]?.where).toBe('known_hosts:4')
  })

  test('is read where names are hashed', () => {
    expect(find(hashed, 'gpu-1', 2222)[0]?.where).toBe('known_hosts:1')
    expect(find(hashed, 'gpu-2')[0]?.where).toBe('known_hosts:2')
    expect(find(hashed, 'gpu-3')).toEqual([])
  })

  test('is read with wildcards, of which a negated one outweighs the others', () => {
    const text = `*.lan,!bad.lan,10.0.0.? ssh-ed25519 ${one}\n`
    expect(find(text, 'a.lan')).toHaveLength(1)
    expect(find(text, 'bad.lan')).toEqual([])
    expect(find(text, '10.0.0.7')).toHaveLength(1)
    expect(find(text, '10.0.0.77')).toEqual([])
    expect(find(text, 'alan')).toEqual([])
  })

  test('is read past lines that make no sense', () => {
    const text = `gpu-1\ngpu-1 ssh-ed25519\ngpu-1 ssh-ed25519 ***\n@unknown gpu-1 ssh-ed25519 ${one}\n|1|x gpu\ngpu-1 ssh-ed25519 ${one}`
    expect(find(text, 'gpu-1').map((known) => known.where)).toEqual(['known_hosts:6'])
  })

  test('marks revoked keys and authorities', () => {
    const text = `@revoked * ssh-ed25519 ${one}\n@cert-authority *.lan ssh-ed25519 ${one}\n`
    expect(find(text, 'a.lan').map((known) => known.marker)).toEqual(['revoked', 'cert-authority'])
  })
})

describe('a host key', () => {
  const pin = { type: key.type, fingerprint: key.fingerprint }
  const line = (text: string) => find(text, 'gpu-1')

  test('that is recorded is known', () => {
    expect(decideHostKey(key, { pin: null, known: line(`gpu-1 ssh-ed25519 ${one}`) })).toEqual({
      kind: 'known',
      where: 'known_hosts:1',
    })
    expect(decideHostKey(key, { pin, known: [] })).toMatchObject({ kind: 'known' })
  })

  test('that nobody recorded is new, and an authority records nothing', () => {
    expect(decideHostKey(key, { pin: null, known: [] })).toEqual({ kind: 'new' })
    expect(decideHostKey(key, { pin: null, known: line(`@cert-authority * ssh-ed25519 ${one}`) })).toEqual({
      kind: 'new',
    })
  })

  test('that differs from the recorded one is changed, of another type too', () => {
    expect(decideHostKey(other, { pin: null, known: line(`gpu-1 ssh-ed25519 ${one}`) })).toEqual({
      kind: 'changed',
      recorded: { type: 'ssh-ed25519', fingerprint: oneFingerprint, where: 'known_hosts:1' },
    })
    expect(decideHostKey({ ...other, type: 'ssh-rsa' }, { pin, known: [] })).toMatchObject({ kind: 'changed' })
    expect(
      decideHostKey({ ...other, type: 'ssh-rsa' }, { pin: null, known: line(`gpu-1 ssh-ed25519 ${one}`) }),
    ).toMatchObject({ kind: 'changed' })
  })

  test('is judged by the pin before the files', () => {
    const known = line(`gpu-1 ssh-ed25519 ${one}`)
    expect(decideHostKey(key, { pin: { type: other.type, fingerprint: other.fingerprint }, known })).toMatchObject({
      kind: 'changed',
    })
    expect(decideHostKey(other, { pin: { type: other.type, fingerprint: other.fingerprint }, known })).toMatchObject({
      kind: 'known',
    })
  })

  test('that is revoked is refused even when it is recorded', () => {
    expect(decideHostKey(key, { pin, known: line(`gpu-1 ssh-ed25519 ${one}\n@revoked * ssh-ed25519 ${one}`) })).toEqual(
      { kind: 'revoked', where: 'known_hosts:2' },
    )
  })

  test('is asked for in the recorded types', () => {
    expect(
      recordedTypes({
        pin: null,
        known: line(`gpu-1 ssh-rsa AAAA\n@revoked * ssh-dss AAAA\ngpu-1 ssh-ed25519 ${one}`),
      }),
    ).toEqual(['ssh-rsa', 'ssh-ed25519'])
  })

  test('that changed is refused with both fingerprints, the place, and what to run', () => {
    const host = { keyName: 'gpu-1', port: 2222 }
    const error = refusal('ada@gpu-1:2222', host, other, {
      kind: 'changed',
      recorded: { type: key.type, fingerprint: key.fingerprint, where: '/home/x/.ssh/known_hosts:7' },
    })
    expect(error.code).toBe('host_key_changed')
    for (const part of [key.fingerprint, other.fingerprint, '/home/x/.ssh/known_hosts:7'])
      expect(error.message).toContain(part)
    expect(error.hint).toContain("ssh-keygen -R '[gpu-1]:2222'")
  })
})

describe('trust', () => {
  const folders: string[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
  })
  const host = { keyName: 'gpu-1', port: 22 }

  test('pins what is to be remembered and keeps the rest in memory', async () => {
    const store = mapStore()
    const trust = createTrust(store, [])
    expect(await trust.decide(host, key)).toEqual({ kind: 'new' })
    await trust.accept(host, key, false)
    expect(await trust.decide(host, key)).toMatchObject({ kind: 'known' })
    expect(store.map.size).toBe(0)
    expect(await createTrust(store, []).decide(host, key)).toEqual({ kind: 'new' })
    await trust.forget(host)
    await trust.accept(host, key, true)
    expect(await createTrust(store, []).decide(host, key)).toMatchObject({ kind: 'known' })
    expect(await createTrust(store, []).decide(host, other)).toMatchObject({ kind: 'changed' })
  })

  test('passes over missing files but not over unreadable ones', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'lanyard-trust-'))
    folders.push(folder)
    const file = path.join(folder, 'known_hosts')
    await writeFile(file, `gpu-1 ssh-ed25519 ${one}\n`)
    expect(await createTrust(mapStore(), [path.join(folder, 'missing'), file]).decide(host, key)).toMatchObject({
      kind: 'known',
      where: `${file}:1`,
    })
    await expect(createTrust(mapStore(), [folder]).decide(host, key)).rejects.toMatchObject({ code: 'ssh_failed' })
  })
})
