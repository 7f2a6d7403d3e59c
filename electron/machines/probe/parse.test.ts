import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LanyardError } from '../../contract/errors.ts'
import { reachThisComputer } from '../reach/local.ts'
import { glibcOf, harmlessText, parseProbe } from './parse.ts'
import { probeMachine } from './probe.ts'

const lines = [
  'os\tLinux',
  'kernel\t6.1.0-18-amd64',
  'arch\tx86_64',
  'hostname\tgpu-1',
  'home\t/home/ada',
  'distribution\tDebian GNU/Linux 12 (bookworm)',
  'libc\tglibc 2.36',
  'cores\t32',
  'cpu\tAMD EPYC 7443P 24-Core Processor',
  'flags\tfma avx2 avx512f',
  'memory-total\t131072',
  'memory-free\t65536',
  'disk-total\t1000',
  'disk-free\t500',
  'address\tlo 127.0.0.1/8',
  'address\teth0 10.0.0.7/24',
  'address\teth0 fe80::1/64',
  'address\tvlan@eth0 10.1.0.7/24',
  'interface\tlo ',
  'interface\teth0 10000',
  'interface\twlan0 -1',
  'tool\ttar',
  'tool\tgzip',
  'gpu\t0, NVIDIA GeForce RTX 4090, GPU-aaaa, 580.95.05, 24564, 24000',
  'gpu\t1, Tesla, Special, GPU-bbbb, 580.95.05, 16384, [N/A]',
  'gpu\tNo devices were found',
  'end\t1',
  '',
]

describe('a probe', () => {
  test('becomes facts, in bytes', () => {
    expect(parseProbe(lines.join('\n'), 'ada@gpu-1:22', 5)).toEqual({
      hostname: 'gpu-1',
      os: 'Debian GNU/Linux 12 (bookworm)',
      kernel: 'Linux 6.1.0-18-amd64',
      arch: 'x86_64',
      glibc: '2.36',
      cpu: { model: 'AMD EPYC 7443P 24-Core Processor', cores: 32, flags: ['fma', 'avx2', 'avx512f'] },
      memoryTotal: 131072 * 1024,
      memoryFree: 65536 * 1024,
      home: '/home/ada',
      diskFree: 500 * 1024,
      diskTotal: 1000 * 1024,
      gpus: [
        {
          index: 0,
          name: 'NVIDIA GeForce RTX 4090',
          uuid: 'GPU-aaaa',
          driver: '580.95.05',
          memoryTotal: 24564 * 2 ** 20,
          memoryFree: 24000 * 2 ** 20,
        },
        {
          index: 1,
          name: 'Tesla, Special',
          uuid: 'GPU-bbbb',
          driver: '580.95.05',
          memoryTotal: 16384 * 2 ** 20,
          memoryFree: 16384 * 2 ** 20,
        },
      ],
      interfaces: [
        { name: 'eth0', addresses: ['10.0.0.7/24', 'fe80::1/64'], speed: 10000 },
        { name: 'wlan0', addresses: [], speed: null },
        { name: 'vlan', addresses: ['10.1.0.7/24'], speed: null },
      ],
      tools: ['tar', 'gzip'],
      at: 5,
    })
  })

  test('is refused when it was cut short or is something else', () => {
    for (const text of ['', 'Welcome to gpu-1!\n', lines.slice(0, 10).join('\n')]) {
      expect(() => parseProbe(text, 'gpu-1', 0)).toThrow(expect.objectContaining({ code: 'probe_failed' }))
    }
  })

  test('survives a greeting that the login shell prints first', () => {
    expect(parseProbe(['Welcome!', '', ...lines].join('\n'), 'gpu-1', 0).hostname).toBe('gpu-1')
  })

  test('never gives back an escape sequence or control character, whatever the machine prints', () => {
    const nasty = fc.array(
      fc.constantFrom(
        '\u001b[31m',
        '\u001b]0;title\u0007',
        '\u009b',
        '\u0000',
        '\r',
        '\u202e',
        'a',
        ' ',
        ',',
        '\t',
        '9',
      ),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(nasty, fc.constantFrom('hostname', 'cpu', 'gpu', 'address', 'tool'), (parts, name) => {
        const facts = parseProbe(
          [...lines.slice(0, -2), `${name}\t${parts.join('')}`, 'end\t1']
            .join('\n')
            .replace(/^hostname\tgpu-1$/m, `hostname\t${parts.join('')}`),
          'gpu-1',
          0,
        )
        // oxlint-disable-next-line no-control-regex
        expect(JSON.stringify(facts)).not.toMatch(/\\u00[01]|\\u009|\\r|\\b|\u001b|\u202e/)
      }),
    )
  })

  test('either makes facts or fails with a code, whatever the machine prints', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...lines), fc.string()), { maxLength: 60 }), (text) => {
        try {
          expect(parseProbe(text.join('\n'), 'gpu-1', 0).at).toBe(0)
        } catch (error) {
          expect(error).toBeInstanceOf(LanyardError)
        }
      }),
    )
  })

  test('of this computer agrees with what Node says about it', async () => {
    await using reach = reachThisComputer()
    const facts = await probeMachine(reach, () => 7)
    const os = await import('node:os')
    expect(facts).toMatchObject({ hostname: os.hostname(), memoryTotal: os.totalmem(), at: 7 })
    expect(facts.kernel).toBe(`${os.type()} ${os.release()}`)
    expect(facts.cpu.cores).toBe(os.cpus().length)
    expect(facts.diskTotal).toBeGreaterThanOrEqual(facts.diskFree)
    expect(facts.tools).toContain('tar')
    const addresses = facts.interfaces.flatMap((entry) => entry.addresses)
    for (const entry of Object.values(os.networkInterfaces()).flat())
      if (entry && !entry.internal && entry.family === 'IPv4') expect(addresses).toContain(entry.cidr)
  })
})

test('glibc is told from other C libraries', () => {
  expect(glibcOf('glibc 2.36')).toBe('2.36')
  expect(glibcOf('ldd (Debian GLIBC 2.36-9+deb12u4) 2.36')).toBe('2.36')
  expect(glibcOf('ldd (Ubuntu GLIBC 2.35-0ubuntu3.1) 2.35')).toBe('2.35')
  expect(glibcOf('musl libc (x86_64)')).toBeNull()
  expect(glibcOf('')).toBeNull()
})

test('harmless text keeps letters of every language', () => {
  expect(harmlessText('\u001b[1;31m你好\u001b[0m é\u0007\tü')).toBe('你好 é\tü')
})
