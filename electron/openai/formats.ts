/** The form an answer must have: response_format, structured_outputs, and vLLM's older names for it. */
import * as z from 'zod/mini'
import { choiceGrammar, FormatError, regexGrammar, schemaGrammar, textGrammar } from '../grammar/grammar.ts'
import { ApiError } from './errors.ts'

/** A JSON Schema as it came: nulls inside mean something. vLLM also takes it as text. */
const schema = z.union([z.record(z.string(), z.unknown()), z.boolean(), z.string()])
const choices = z.array(z.string()).check(z.minLength(1), z.maxLength(10_000))

export const formatFields = {
  response_format: z.optional(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      // llama.cpp takes a schema here too
      z.object({ type: z.literal('json_object'), schema: z.nullish(schema) }),
      z.object({
        type: z.literal('json_schema'),
        json_schema: z.object({
          name: z.nullish(z.string()),
          description: z.nullish(z.string()),
          schema: z.nullish(schema),
          strict: z.nullish(z.boolean()),
        }),
      }),
    ]),
  ),
  structured_outputs: z.optional(
    z.object({
      json: z.nullish(schema),
      regex: z.nullish(z.string()),
      choice: z.nullish(choices),
      grammar: z.nullish(z.string()),
      json_object: z.nullish(z.boolean()),
      structural_tag: z.nullish(z.never()),
    }),
  ),
  guided_json: z.optional(schema),
  guided_regex: z.optional(z.string()),
  guided_choice: z.optional(choices),
  guided_grammar: z.optional(z.string()),
  guided_json_object: z.optional(z.boolean()),
  // which library follows the format: there is one here
  guided_decoding_backend: z.optional(z.string()),
}

const formatSchema = z.object(formatFields)
export type FormatFields = z.output<typeof formatSchema>

function parsed(given: unknown): unknown {
  if (typeof given !== 'string') return given
  try {
    return JSON.parse(given) as unknown
  } catch (error) {
    throw new FormatError(`the schema is not JSON (${(error as Error).message})`)
  }
}

type Source = [param: string, make: () => string]

function sourcesOf(fields: FormatFields): Source[] {
  const found: Source[] = []
  const json = (param: string, given: unknown): void => void found.push([param, () => schemaGrammar(parsed(given))])
  const { response_format: format, structured_outputs: wanted } = fields
  if (format?.type === 'json_object') json('response_format', format.schema ?? { type: 'object' })
  // OpenAI: no schema is a schema that says nothing
  if (format?.type === 'json_schema') json('response_format', format.json_schema.schema ?? { type: 'object' })
  const group = (
    name: (field: string) => string,
    given: {
      json?: unknown
      regex?: string | null | undefined
      choice?: string[] | null | undefined
      grammar?: string | null | undefined
      object?: boolean | null | undefined
    },
  ): void => {
    const { regex, choice, grammar } = given
    if (given.json !== undefined && given.json !== null) json(name('json'), given.json)
    if (typeof regex === 'string') found.push([name('regex'), () => regexGrammar(regex)])
    if (choice) found.push([name('choice'), () => choiceGrammar(choice)])
    if (typeof grammar === 'string') found.push([name('grammar'), () => textGrammar(grammar)])
    if (given.object) json(name('json_object'), { type: 'object' })
  }
  if (wanted) group((field) => `structured_outputs.${field}`, { ...wanted, object: wanted.json_object })
  group((field) => `guided_${field}`, {
    json: fields.guided_json,
    regex: fields.guided_regex,
    choice: fields.guided_choice,
    grammar: fields.guided_grammar,
    object: fields.guided_json_object,
  })
  return found
}

/** Runs `make`; what a format cannot say is the request's mistake. */
export function refusing<T>(param: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const isDeep = error instanceof RangeError
    if (!(error instanceof FormatError) && !isDeep) throw error
    const why = isDeep ? 'it is nested too deeply' : error.message
    throw new ApiError(400, `Invalid value for '${param}': ${why}.`, { param, code: 'invalid_value', cause: error })
  }
}

/** The grammar that a request asks for, if it does. Throws 400, also when it asks for two. */
export function formatOf(fields: FormatFields): string | undefined {
  const [first, second] = sourcesOf(fields)
  if (!first) return undefined
  if (second) {
    throw new ApiError(400, `'${first[0]}' and '${second[0]}' ask for two forms of one answer.`, {
      param: second[0],
      code: 'invalid_value',
    })
  }
  return refusing(...first)
}
