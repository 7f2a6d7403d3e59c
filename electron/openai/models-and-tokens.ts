/** The routes that generate nothing: models, tokenize, detokenize, and the refusal of embeddings. */
import * as z from 'zod/mini'
import type { Served } from '../serving/served.ts'
import { ApiError, apiErrorOf } from './errors.ts'
import type { ApiContext, Services } from './exchange.ts'
import { modelOf } from './exchange.ts'
import { tokenName } from './logprobs.ts'
import { parseBody, readBody } from './requests.ts'

function modelBody(served: Served) {
  return {
    id: served.name,
    object: 'model',
    created: Math.floor(served.readyAt / 1000),
    owned_by: 'lanyard',
    root: served.name,
    parent: null,
    max_model_len: served.context,
    permission: [],
  }
}

export function listModels(c: ApiContext, { served }: Services): Response {
  return c.json({ object: 'list', data: served.list().map(modelBody) })
}

export function getModel(c: ApiContext, { served }: Services, id: string): Response {
  try {
    return c.json(modelBody(served.get(id)))
  } catch (error) {
    throw apiErrorOf(error, 'model')
  }
}

/** A request may leave the model out when there is only one; what answers on demand counts where nothing else does. */
async function chosen(services: Services, name: string | undefined): ReturnType<typeof modelOf> {
  const all = services.served.list()
  const started = all.filter((each) => !each.onDemand)
  const only = started.length > 0 ? started : all
  if (name === undefined && only.length !== 1)
    throw new ApiError(400, "Missing required parameter: 'model'.", {
      param: 'model',
      code: 'missing_required_parameter',
    })
  return modelOf(services, name ?? only[0]!.name)
}

const tokenizeRequest = z.object({
  model: z.optional(z.string()),
  prompt: z.optional(z.string()),
  messages: z.optional(z.array(z.looseObject({ role: z.string(), content: z.string() })).check(z.minLength(1))),
  add_special_tokens: z.optional(z.boolean()),
  add_generation_prompt: z.optional(z.boolean()),
})

export async function tokenize(c: ApiContext, services: Services): Promise<Response> {
  const request = parseBody(tokenizeRequest, await readBody(c))
  const { served, text } = await chosen(services, request.model)
  if ((request.prompt === undefined) === (request.messages === undefined)) {
    throw new ApiError(400, "Give either 'prompt' or 'messages'.", {
      param: 'prompt',
      code: 'missing_required_parameter',
    })
  }
  let tokens: number[]
  try {
    tokens = request.messages
      ? text.chat(request.messages, { addGenerationPrompt: request.add_generation_prompt })
      : text.encode(request.prompt!, request.add_special_tokens ?? true)
  } catch (error) {
    throw apiErrorOf(error, 'messages')
  }
  return c.json({
    count: tokens.length,
    max_model_len: served.context,
    tokens,
    token_strs: tokens.map((id) => tokenName(text, id)),
  })
}

const detokenizeRequest = z.object({ model: z.optional(z.string()), tokens: z.array(z.int()) })

export async function detokenize(c: ApiContext, services: Services): Promise<Response> {
  const request = parseBody(detokenizeRequest, await readBody(c))
  const { text } = await chosen(services, request.model)
  const strange = request.tokens.find((id) => id < 0 || id >= text.vocab)
  if (strange !== undefined)
    throw new ApiError(400, `${strange} is not a token id of this model.`, { param: 'tokens', code: 'invalid_value' })
  return c.json({ prompt: text.decode(request.tokens, false) })
}

const embeddingsRequest = z.object({ model: z.string() })

export async function embeddings(c: ApiContext, services: Services): Promise<Response> {
  const request = parseBody(embeddingsRequest, await readBody(c))
  const { served } = await modelOf(services, request.model)
  throw new ApiError(400, `${served.name} generates text; it cannot make embeddings.`, {
    param: 'model',
    code: 'unsupported_model',
  })
}
