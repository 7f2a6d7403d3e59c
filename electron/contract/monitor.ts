/** Measurements over time. */
import * as z from 'zod/mini'

export const machineSample = z.object({
  machineId: z.string(),
  at: z.number(),
  /** 0…1 */
  cpu: z.number(),
  memoryUsed: z.number(),
  memoryTotal: z.number(),
  /** bytes/s over all interfaces but loopback */
  networkIn: z.number(),
  networkOut: z.number(),
  gpus: z.array(
    z.object({
      index: z.number(),
      utilisation: z.number(),
      memoryUsed: z.number(),
      memoryTotal: z.number(),
      temperature: z.nullable(z.number()),
      power: z.nullable(z.number()),
    }),
  ),
})
export type MachineSample = z.infer<typeof machineSample>

export const deploymentSample = z.object({
  name: z.string(),
  at: z.number(),
  tokensPerSecond: z.number(),
  running: z.number(),
  waiting: z.number(),
  firstTokenMs: z.nullable(z.number()),
  kvUsed: z.number(),
  kvTotal: z.number(),
})
export type DeploymentSample = z.infer<typeof deploymentSample>

export const samples = z.object({ machines: z.array(machineSample), deployments: z.array(deploymentSample) })
export type Samples = z.infer<typeof samples>

export const logLine = z.object({
  at: z.number(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  source: z.string(),
  text: z.string(),
})
export type LogLine = z.infer<typeof logLine>
