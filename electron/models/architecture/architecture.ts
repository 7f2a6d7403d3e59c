/** config.json → what the engine computes and where the tensors are. Unknown architectures are refused by name. */
import type { DecoderSpec } from '../../contract/engine.ts'
import { LanyardError } from '../../contract/errors.ts'
import { type Quantisation, quantisationOf } from '../quantisation/quantisation.ts'
import { configOf } from './config.ts'
import type { Architecture, Family } from './decoder.ts'
import { deepseek } from './deepseek.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { gptOss } from './gpt-oss.ts'
import type { TensorRule } from './layout.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import { mixtral } from './mixtral.ts'
import { phi3 } from './phi3.ts'
import { qwen1 } from './qwen1.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'
import { qwen2Moe, qwen3Moe } from './qwen-moe.ts'

/** config.json's `architectures[0]` → family. */
const families: Record<string, Family> = {
  LlamaForCausalLM: llama,
  MistralForCausalLM: mistral,
  QWenLMHeadModel: qwen1,
  Qwen2ForCausalLM: qwen2,
  Qwen3ForCausalLM: qwen3,
  Phi3ForCausalLM: phi3,
  Gemma2ForCausalLM: gemma2,
  Gemma3ForCausalLM: gemma3,
  Gemma3ForConditionalGeneration: gemma3,
  MixtralForCausalLM: mixtral,
  Qwen2MoeForCausalLM: qwen2Moe,
  Qwen3MoeForCausalLM: qwen3Moe,
  GptOssForCausalLM: gptOss,
  DeepseekV2ForCausalLM: deepseek('deepseek_v2'),
  DeepseekV3ForCausalLM: deepseek('deepseek_v3'),
}

/** What the engine would have to learn for well-known architectures that it refuses. */
const missing: Record<string, string> = {
  DeepseekV32ForCausalLM: 'sparse attention',
  Glm4MoeForCausalLM: 'sigmoid routing with a correction bias',
  GlmForCausalLM: 'interleaved rotary embedding',
  Glm4ForCausalLM: 'interleaved rotary embedding',
  CohereForCausalLM: 'LayerNorm and layers whose attention and feed-forward part run side by side',
  Cohere2ForCausalLM: 'LayerNorm and layers whose attention and feed-forward part run side by side',
  Llama4ForCausalLM: 'chunked attention and sigmoid routing',
  Llama4ForConditionalGeneration: 'chunked attention and sigmoid routing',
  Gemma3nForConditionalGeneration: 'per-layer embeddings and alternating updates',
  PhiForCausalLM: 'LayerNorm and layers whose attention and feed-forward part run side by side',
  PhimoeForCausalLM: 'LayerNorm and its routing',
  Phi3SmallForCausalLM: 'block-sparse attention',
  Qwen3NextForCausalLM: 'gated delta-net layers',
  MambaForCausalLM: 'state-space layers',
  Mamba2ForCausalLM: 'state-space layers',
  FalconMambaForCausalLM: 'state-space layers',
  JambaForCausalLM: 'state-space layers',
  RwkvForCausalLM: 'recurrent layers',
  GPT2LMHeadModel: 'LayerNorm and learned positions',
  GPTNeoXForCausalLM: 'LayerNorm and layers whose attention and feed-forward part run side by side',
  FalconForCausalLM: 'LayerNorm',
  BloomForCausalLM: 'LayerNorm and ALiBi',
  MPTForCausalLM: 'LayerNorm and ALiBi',
  Starcoder2ForCausalLM: 'LayerNorm',
  Olmo2ForCausalLM: 'norms over whole queries and keys',
}

/** Architecture names that can be served, as in config.json. */
export const supportedArchitectures = Object.keys(families)

/** A model as config.json describes it. */
export interface ModelFacts {
  architecture: string
  family: string
  /** config.json's own word for the stored dtype; '' when it says nothing */
  dtype: string
  decoder: DecoderSpec
  rules: TensorRule[]
  /** how low-bit matrices are stored; null: none are */
  quantisation: Quantisation | null
}

export interface FactsOptions {
  /** the longest sequence to be served (LongRoPE chooses its factors by it); absent: all the model allows */
  context?: number
  /** ids from here on are padding: the tokenizer's size; absent: every row of the vocabulary counts */
  vocabUsed?: number
  /** divide the rope's frequencies (a GGUF file keeps the scaling of Llama 3.1 in this form); absent: none */
  ropeFactors?: readonly number[]
}

function divided(decoder: DecoderSpec, factors: readonly number[] | undefined): DecoderSpec['ropes'] {
  if (!factors) return decoder.ropes
  return decoder.ropes.map((rope) => {
    if (rope.invFreq.length !== factors.length || factors.some((factor) => !(factor > 0))) {
      throw new LanyardError(
        'model_config_mismatch',
        `The model has ${factors.length} rope factors for ${rope.invFreq.length} frequencies.`,
        'Download or copy the file again.',
      )
    }
    return { ...rope, invFreq: rope.invFreq.map((frequency, i) => frequency / factors[i]!) }
  })
}

/**
 * The facts of a model from its parsed config.json (the published form or transformers 5's).
 * Throws `model_unsupported` (unknown architecture, a quantisation or feature the engine lacks) and
 * `model_config_mismatch` (a key missing or contradictory).
 */
export function modelFacts(rawConfig: unknown, options: FactsOptions = {}): ModelFacts {
  const config = configOf(rawConfig)
  const architecture = String(config.list('architectures')?.[0] ?? '')
  const family = families[architecture]
  if (!family) {
    const named = architecture || config.string('model_type', '')
    throw new LanyardError(
      'model_unsupported',
      named
        ? `The architecture "${named}" is not supported${named in missing ? `: the engine lacks ${missing[named]}` : ''}.`
        : 'config.json names no architecture.',
      `Supported are ${supportedArchitectures.join(', ')}.`,
    )
  }
  const quantisation = quantisationOf(config)
  const built: Architecture = family(config, options.context ?? null)
  const decoder = {
    ...built.decoder,
    vocabUsed: Math.min(options.vocabUsed ?? built.decoder.vocab, built.decoder.vocab),
    ropes: divided(built.decoder, options.ropeFactors),
  }
  return {
    architecture,
    family: decoder.family,
    dtype: config.string(['dtype', 'torch_dtype'], ''),
    decoder,
    rules: built.rules,
    quantisation,
  }
}

/** The decoder's arithmetic alone. Errors as `modelFacts`. */
export function decoderSpecOf(rawConfig: unknown, options: FactsOptions = {}): DecoderSpec {
  return modelFacts(rawConfig, options).decoder
}
