/** The fields that chat and legacy completions have in common, and what they mean to the pipeline. */
import * as z from 'zod/mini'
import type { CompletionParameters } from '../serving/completion.ts'
import { ApiError } from './errors.ts'
import { formatFields, formatOf } from './formats.ts'
import { never, only } from './requests.ts'
import type { Unsupported } from './requests.ts'

const between = (low: number, high: number) => z.optional(z.number().check(z.minimum(low), z.maximum(high)))
const whole = (low: number, high = Number.MAX_SAFE_INTEGER) =>
  z.optional(z.int().check(z.minimum(low), z.maximum(high)))
const stopString = z.string().check(z.minLength(1))

export const commonFields = {
  model: z.string().check(z.minLength(1)),
  stream: z.optional(z.boolean()),
  stream_options: z.optional(
    z.object({ include_usage: z.optional(z.boolean()), continuous_usage_stats: z.optional(z.boolean()) }),
  ),
  n: whole(1, 128),
  temperature: between(0, 2),
  top_p: between(0, 1),
  top_k: whole(-1),
  min_p: between(0, 1),
  presence_penalty: between(-2, 2),
  frequency_penalty: between(-2, 2),
  repetition_penalty: z.optional(z.number().check(z.gt(0), z.maximum(10))),
  // 64-bit seeds reach us as doubles: whole, but not always safe integers
  seed: z.optional(z.number().check(z.refine((n) => Number.isInteger(n), 'expected a whole number'))),
  stop: z.optional(z.union([stopString, z.array(stopString).check(z.maxLength(64))])),
  stop_token_ids: z.optional(z.array(z.int()).check(z.maxLength(256))),
  min_tokens: whole(0),
  ignore_eos: z.optional(z.boolean()),
  include_stop_str_in_output: z.optional(z.boolean()),
  skip_special_tokens: z.optional(z.boolean()),
  truncate_prompt_tokens: whole(1),
  return_tokens_as_token_ids: z.optional(z.boolean()),
  logit_bias: z.optional(z.record(z.string(), z.number().check(z.minimum(-100), z.maximum(100)))),
  allowed_token_ids: z.optional(z.array(z.int()).check(z.minLength(1))),
  bad_words: z.optional(z.array(stopString).check(z.maxLength(1024))),
  prompt_logprobs: whole(0, 20),
  request_id: z.optional(z.string().check(z.regex(/^[\w.-]{1,128}$/))),
  ...formatFields,
}

export const commonUnsupported: Unsupported = {
  guided_whitespace_pattern: never,
  structural_tag: never,
  logits_processors: never,
  cache_salt: never,
  priority: only(0),
  length_penalty: only(1),
  use_beam_search: only(false),
  return_token_ids: only(false),
  spaces_between_special_tokens: only(true),
}

const commonSchema = z.object(commonFields)
export type CommonFields = z.output<typeof commonSchema>

/** A 64-bit seed as one that a double holds exactly; small ones stay what they are. */
export function seedOf(seed: number): number {
  return Number(BigInt.asUintN(53, BigInt(seed)))
}

/** Throws 400 for ids that are no numbers, and `stream_options` without `stream`. */
export function commonParameters(fields: CommonFields): CompletionParameters {
  if (fields.stream_options && !fields.stream) {
    throw new ApiError(400, "'stream_options' is only allowed when 'stream' is true.", {
      param: 'stream_options',
      code: 'invalid_value',
    })
  }
  if (fields.prompt_logprobs !== undefined && fields.stream) {
    throw new ApiError(400, "'prompt_logprobs' is not available when 'stream' is true.", {
      param: 'prompt_logprobs',
      code: 'invalid_value',
    })
  }
  const logitBias = Object.entries(fields.logit_bias ?? {}).map(([id, bias]) => {
    if (!/^\d+$/.test(id))
      throw new ApiError(400, `Invalid value for 'logit_bias': "${id}" is not a token id.`, {
        param: 'logit_bias',
        code: 'invalid_value',
      })
    return [Number(id), bias] as const
  })
  return {
    temperature: fields.temperature,
    // nothing but the most likely token: what a sum of 0 comes to, without asking the engine for an empty set
    topP: fields.top_p === 0 ? 1 : fields.top_p,
    topK: fields.top_p === 0 ? 1 : fields.top_k,
    minP: fields.min_p,
    presencePenalty: fields.presence_penalty,
    frequencyPenalty: fields.frequency_penalty,
    repetitionPenalty: fields.repetition_penalty,
    seed: fields.seed === undefined ? undefined : seedOf(fields.seed),
    stop: typeof fields.stop === 'string' ? [fields.stop] : fields.stop,
    stopIds: fields.stop_token_ids,
    minTokens: fields.min_tokens,
    ignoreStop: fields.ignore_eos,
    includeStop: fields.include_stop_str_in_output,
    skipSpecial: fields.skip_special_tokens,
    truncatePrompt: fields.truncate_prompt_tokens,
    logitBias,
    allowedIds: fields.allowed_token_ids,
    badWords: fields.bad_words,
    grammar: formatOf(fields),
    promptLogprobs: fields.prompt_logprobs,
  }
}
