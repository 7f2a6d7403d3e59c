import { expect, test } from 'vitest'
import { bundleNameFor, checkSupport } from './support.ts'

const facts = {
  kernel: 'Linux 6.1.0',
  arch: 'x86_64',
  glibc: '2.36',
  os: 'Debian GNU/Linux 12',
  tools: ['tar', 'gzip', 'sha256sum', 'awk', 'df'],
}

test('a machine gets the bundle of its processor', () => {
  expect(bundleNameFor(facts, 'gpu-1')).toBe('linux-x64')
  expect(bundleNameFor({ ...facts, arch: 'aarch64' }, 'gpu-1')).toBe('linux-arm64')
  expect(bundleNameFor({ ...facts, glibc: '2.34' }, 'gpu-1')).toBe('linux-x64')
  expect(bundleNameFor({ ...facts, glibc: '3.0' }, 'gpu-1')).toBe('linux-x64')
})

test.each([
  ['another system', { kernel: 'Darwin 24.1.0', os: 'macOS' }, /macOS, not Linux/],
  ['another processor', { arch: 'riscv64' }, /riscv64/],
  ['another C library', { glibc: null }, /musl/],
  ['an old C library', { glibc: '2.31' }, /2\.31; 2\.34/],
  ['missing tools', { tools: ['tar', 'awk', 'df'] }, /gzip, sha256sum/],
])('a machine with %s is refused with what would do', (_, difference, message) => {
  expect(() => bundleNameFor({ ...facts, ...difference }, 'gpu-1')).toThrow(
    expect.objectContaining({
      code: 'machine_unsupported',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/.{10}/),
    }),
  )
})

test('a bundle for another processor is refused', () => {
  checkSupport(facts, { os: 'linux', arch: 'x64' }, 'gpu-1')
  expect(() => checkSupport(facts, { os: 'linux', arch: 'arm64' }, 'gpu-1')).toThrow(
    expect.objectContaining({ code: 'machine_unsupported' }),
  )
})
