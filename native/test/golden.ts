/** The files of a golden model that tests compare with. */
import { readFileSync } from 'node:fs'

export interface Golden {
  prompts: {
    name: string
    length: number
    ids: number[]
    last_logits: string
    all_logits: string | null
    greedy: { ids: number[]; steps: { id: number; margin: number }[] }
  }[]
}

/** The f32 tensors of a golden.safetensors. */
export function readTensors(file: string): Map<string, Float32Array> {
  const bytes = readFileSync(file)
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, { data_offsets: [number, number] }>
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(([name, { data_offsets: [from, to] }]) => {
        const data = bytes.subarray(8 + headerLength + from, 8 + headerLength + to)
        return [name, new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))]
      }),
  )
}
