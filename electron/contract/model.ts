/** Models in the library. */
import * as z from 'zod/mini'

export const model = z.object({
  id: z.string(),
  /** what it is called here, unique in the library */
  name: z.string(),
  path: z.string(),
  /** config.json's architectures[0] */
  architecture: z.string(),
  family: z.string(),
  parameters: z.number(),
  /** weight bytes on disk */
  bytes: z.number(),
  dtype: z.string(),
  context: z.number(),
  layers: z.number(),
  hidden: z.number(),
  heads: z.number(),
  kvHeads: z.number(),
  headDim: z.number(),
  vocab: z.number(),
  /** sha-256 over config and tensor headers + file sizes and times: changes when the files do */
  fingerprint: z.string(),
  tokenizer: z.enum(['tokenizer.json', 'qwen.tiktoken']),
  hasTemplate: z.boolean(),
  /** one line for people: what it is for; empty when unknown */
  purpose: z.string(),
  addedAt: z.number(),
})
export type Model = z.infer<typeof model>
