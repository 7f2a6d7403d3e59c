/** Machines: this computer and the ones reached over SSH, what they have, and how they were found. */
import * as z from 'zod/mini'
import { problem } from './errors.ts'

export const gpuFacts = z.object({
  index: z.number(),
  name: z.string(),
  uuid: z.string(),
  driver: z.string(),
  memoryTotal: z.number(),
  memoryFree: z.number(),
})
export type GpuFacts = z.infer<typeof gpuFacts>

export const networkInterface = z.object({
  name: z.string(),
  /** IPv4 and IPv6 addresses with prefix length, "10.0.0.2/24" */
  addresses: z.array(z.string()),
  /** Mbit/s as the driver says; null if unknown */
  speed: z.nullable(z.number()),
})

/** Bytes unless said otherwise. */
export const hardware = z.object({
  hostname: z.string(),
  os: z.string(),
  kernel: z.string(),
  arch: z.string(),
  glibc: z.nullable(z.string()),
  cpu: z.object({ model: z.string(), cores: z.number(), flags: z.array(z.string()) }),
  memoryTotal: z.number(),
  memoryFree: z.number(),
  home: z.string(),
  diskFree: z.number(),
  diskTotal: z.number(),
  gpus: z.array(gpuFacts),
  interfaces: z.array(networkInterface),
  /** programs found among those that installing needs */
  tools: z.array(z.string()),
  at: z.number(),
})
export type Hardware = z.infer<typeof hardware>

export const machine = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['this', 'ssh']),
  /** user@host:port for SSH, empty for this computer */
  address: z.string(),
  /** what the user typed to add it (a Host of ~/.ssh/config stays one), and the key file they named */
  entered: z.string(),
  identity: z.nullable(z.string()),
  state: z.enum(['adding', 'connecting', 'ready', 'away', 'removing']),
  /** one sentence about the state */
  status: z.string(),
  hardware: z.nullable(hardware),
  worker: z.nullable(z.object({ version: z.string(), hash: z.string(), pid: z.number(), startedAt: z.number() })),
  /** measured by the worker once: bytes/s of weights the CPU reads, FLOP/s of its GEMM */
  cpuSpeed: z.nullable(z.object({ readBytesPerSecond: z.number(), gemmFlops: z.number(), kernels: z.string() })),
  hostKey: z.nullable(z.object({ type: z.string(), fingerprint: z.string() })),
  /** address of the interface that rank traffic uses */
  dataAddress: z.nullable(z.string()),
  problem: z.nullable(problem),
  addedAt: z.number(),
  lastSeen: z.nullable(z.number()),
})
export type Machine = z.infer<typeof machine>

export const foundMachine = z.object({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  port: z.number(),
  user: z.nullable(z.string()),
  via: z.enum(['mdns', 'ssh-config', 'known', 'scan']),
  /** how it was found, in words: the mDNS service, the config line, the SSH banner */
  detail: z.string(),
  at: z.number(),
})
export type FoundMachine = z.infer<typeof foundMachine>

export const addMachine = z.object({
  /** user@host[:port], or a Host of ~/.ssh/config */
  address: z.string().check(z.minLength(1), z.maxLength(512)),
  name: z.optional(z.string().check(z.maxLength(64))),
  identity: z.optional(z.string()),
  password: z.optional(z.string()),
  /** SHA256:… accepted without asking */
  acceptHostKey: z.optional(z.string()),
})
export type AddMachine = z.infer<typeof addMachine>

export const scanReport = z.object({
  subnet: z.string(),
  interface: z.string(),
  addressesTried: z.number(),
  seconds: z.number(),
  found: z.array(foundMachine),
  /** what was tried and, when nothing was found, what commonly hides machines */
  notes: z.array(z.string()),
})
export type ScanReport = z.infer<typeof scanReport>
