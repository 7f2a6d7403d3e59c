/** Which tokens end an answer, and what a checkpoint recommends for sampling: from generation_config.json. */
import type { JsonObject } from './architecture/config.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/**
 * Tokens that end a turn, by family, found by name: some checkpoints leave them out of generation_config.json
 * (Qwen's first generation names only <|endoftext|>, and then answers its own questions).
 */
const turnEnds: Record<string, string[]> = {
  llama: ['<|eot_id|>', '<|end_of_text|>', '<|im_end|>'],
  mistral: ['</s>', '<|im_end|>'],
  mixtral: ['</s>', '<|im_end|>'],
  qwen1: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
  qwen2: ['<|endoftext|>', '<|im_end|>'],
  qwen2_moe: ['<|endoftext|>', '<|im_end|>'],
  qwen3: ['<|endoftext|>', '<|im_end|>'],
  qwen3_moe: ['<|endoftext|>', '<|im_end|>'],
  phi3: ['<|endoftext|>', '<|end|>'],
  gemma2: ['<eos>', '<end_of_turn>'],
  gemma3: ['<eos>', '<end_of_turn>'],
  gpt_oss: ['<|endoftext|>', '<|return|>', '<|call|>'],
}

function idsIn(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter(
    (id): id is number => typeof id === 'number' && Number.isSafeInteger(id) && id >= 0,
  )
}

/** All of: generation_config's eos (or config.json's, where it has none), the tokenizer's eos, the family's turn ends. */
export function stopIdsOf(family: string, tokenizer: Tokenizer, config: JsonObject, generation: JsonObject): number[] {
  const configured = idsIn(generation['eos_token_id'])
  const ids = configured.length > 0 ? configured : idsIn(config['eos_token_id'])
  if (tokenizer.eos !== null) ids.push(tokenizer.eos)
  for (const name of turnEnds[family] ?? []) {
    const id = tokenizer.specials.get(name)
    if (id !== undefined) ids.push(id)
  }
  return [...new Set(ids)].sort((a, b) => a - b)
}

export interface GenerationDefaults {
  temperature?: number
  topP?: number
  topK?: number
  minP?: number
  repetitionPenalty?: number
}

/** Sampling defaults; a key that is absent, or not a number, is left out. */
export function generationDefaultsOf(generation: JsonObject): GenerationDefaults {
  const names = {
    temperature: 'temperature',
    topP: 'top_p',
    topK: 'top_k',
    minP: 'min_p',
    repetitionPenalty: 'repetition_penalty',
  } as const
  const defaults: GenerationDefaults = {}
  for (const [ours, theirs] of Object.entries(names) as [keyof typeof names, string][]) {
    const value = generation[theirs]
    if (typeof value === 'number' && Number.isFinite(value)) defaults[ours] = value
  }
  return defaults
}
