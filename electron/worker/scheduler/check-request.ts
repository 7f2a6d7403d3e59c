/** What a request must be before it is let in. */
import { LanyardError } from '../../contract/errors.ts'
import type { GenerateRequest } from '../../contract/worker.ts'

/**
 * `longest`: most positions that find KV blocks, at most `context`. Throws `bad_request` for what no model could do and
 * `context_length_exceeded` for a prompt that leaves no room for a token.
 */
export function checkRequest(
  { prompt, maxTokens, stopIds, badWords }: GenerateRequest,
  { vocab, context, longest }: { vocab: number; context: number; longest: number },
): void {
  if (prompt.length === 0) throw new LanyardError('bad_request', 'The prompt is empty.')
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
    throw new LanyardError('bad_request', `${maxTokens} is not a number of tokens to generate.`)
  const wrong = [...prompt, ...stopIds, ...(badWords ?? []).flat()].find(
    (id) => !Number.isSafeInteger(id) || id < 0 || id >= vocab,
  )
  if (wrong !== undefined)
    throw new LanyardError('bad_request', `${wrong} is not a token of this model (0 to ${vocab - 1}).`)
  if (prompt.length < longest) return
  throw new LanyardError(
    'context_length_exceeded',
    `The prompt has ${prompt.length} tokens; with one more to generate, ${longest} are the most here${longest < context ? ' (all the KV cache that this deployment has)' : ''}.`,
    longest < context ? 'Shorten it, or deploy with more memory for the context.' : 'Shorten the prompt.',
  )
}
