/** Functions that a model may call: what a request says of them, and what that means to the prompt and the answer. */
import { randomBytes } from 'node:crypto'
import * as z from 'zod/mini'
import { callsGrammar } from '../grammar/grammar.ts'
import type { CallStyle } from '../models/models.ts'
import type { ChatMessage, TextTools } from '../serving/text-tools.ts'
import { createCallReader, mistralMark } from './calls.ts'
import type { CallReader } from './calls.ts'
import { ApiError } from './errors.ts'
import { refusing } from './formats.ts'

const functionName = z.string().check(z.regex(/^[\w.-]{1,64}$/))

const tool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: functionName,
    description: z.nullish(z.string()),
    parameters: z.nullish(z.record(z.string(), z.unknown())),
    strict: z.nullish(z.boolean()),
  }),
})

export const toolFields = {
  tools: z.optional(z.array(tool).check(z.minLength(1), z.maxLength(512))),
  tool_choice: z.optional(
    z.union([
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), function: z.object({ name: functionName }) }),
    ]),
  ),
  parallel_tool_calls: z.optional(z.boolean()),
}

const toolSchema = z.object(toolFields)
export type ToolFields = z.output<typeof toolSchema>

/** How a request's functions are put to the model. */
export interface Calling {
  messages: ChatMessage[]
  /** for the template */
  tools: unknown[] | null
  /** ids that begin the answer */
  after: number[]
  /** the answer is calls and nothing else */
  grammar: string | null
  /** a forced named function ends with `stop`, as at OpenAI */
  isNamed: boolean
  reader(): CallReader
  /** tokens that are skipped in the text and yet say something */
  marks: ReadonlyMap<number, string>
  id(): string
}

function invalid(param: string, message: string): ApiError {
  return new ApiError(400, message, { param, code: 'invalid_value' })
}

/** Templates get what was given, without the nulls that mean "absent". */
function plainTool({ function: { name, description, parameters } }: z.output<typeof tool>): object {
  return {
    type: 'function',
    function: { name, ...(description ? { description } : {}), ...(parameters ? { parameters } : {}) },
  }
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return typeof content === 'string' ? content : ''
  return content.map((part) => String((part as { text?: unknown }).text ?? '')).join('')
}

/** For templates that know no functions: the same said in the system message, in Hermes' way. */
function described(messages: readonly ChatMessage[], tools: object[] | null): ChatMessage[] {
  const rewritten = messages.map((message): ChatMessage => {
    if (message.role === 'tool')
      return { role: 'user', content: `<tool_response>\n${textOf(message.content)}\n</tool_response>` }
    const { tool_calls: calls, ...rest } = message
    if (!Array.isArray(calls)) return message
    const lines = (calls as { function: { name: string; arguments: string } }[]).map(
      ({ function: { name, arguments: given } }) =>
        `<tool_call>\n{"name": ${JSON.stringify(name)}, "arguments": ${given}}\n</tool_call>`,
    )
    return { ...rest, content: [textOf(message.content), ...lines].filter((part) => part !== '').join('\n') }
  })
  // Templates want user and assistant in turn: several results in a row are one message.
  const merged = rewritten.reduce<ChatMessage[]>((list, message, at) => {
    const last = list.at(-1)
    if (last && messages[at]!.role === 'tool' && messages[at - 1]?.role === 'tool')
      return [...list.slice(0, -1), { ...last, content: `${textOf(last.content)}\n${textOf(message.content)}` }]
    return [...list, message]
  }, [])
  if (!tools) return merged
  const text = [
    '# Functions',
    '',
    'You may call these functions:',
    '<tools>',
    ...tools.map((one) => JSON.stringify(one)),
    '</tools>',
    '',
    'For each call write a JSON object with its name and arguments between tags:',
    '<tool_call>',
    '{"name": <function-name>, "arguments": <arguments-as-JSON-object>}',
    '</tool_call>',
  ].join('\n')
  const [first, ...rest] = merged
  return first?.role === 'system'
    ? [{ ...first, content: `${textOf(first.content)}\n\n${text}` }, ...rest]
    : [{ role: 'system', content: text }, ...merged]
}

function hasCalls(messages: readonly ChatMessage[]): boolean {
  return messages.some((message) => message.role === 'tool' || Array.isArray(message['tool_calls']))
}

/**
 * What a request with functions, or with calls in its conversation, comes to; null when it has neither. Throws 400 for
 * what does not go together, and for parameters that a forced call could not keep.
 */
export function callingOf(
  fields: ToolFields,
  messages: ChatMessage[],
  text: TextTools,
  hasFormat: boolean,
): Calling | null {
  const { tools, tool_choice: choice = tools ? 'auto' : 'none', parallel_tool_calls: parallel = true } = fields
  if (!tools) {
    if (fields.tool_choice !== undefined && choice !== 'none')
      throw invalid('tool_choice', "'tool_choice' is only allowed when 'tools' are given.")
    if (text.callStyle !== null || !hasCalls(messages)) return null
  }
  const style: CallStyle = text.callStyle ?? 'hermes'
  const known = tools ?? []
  const names = new Set(known.map((one) => one.function.name))
  if (names.size < known.length) throw invalid('tools', 'Two functions have the same name.')
  const named = typeof choice === 'object' ? choice.function.name : null
  if (named !== null && !names.has(named))
    throw invalid('tool_choice', `'tool_choice' names ${JSON.stringify(named)}, which is not among 'tools'.`)
  const isForced = named !== null || choice === 'required'
  if (isForced && hasFormat)
    throw invalid('tool_choice', 'An answer cannot be a call and have the form of response_format at once.')

  const offered = choice === 'none' ? null : known.map(plainTool)
  const mark = text.specialId(mistralMark)
  const begins = isForced && style === 'mistral' && mark !== null
  const wanted = known
    .map((one) => one.function)
    .filter(({ name }) => named === null || name === named)
    .map(({ name, parameters }) => (parameters ? { name, parameters } : { name }))
  const many = parallel && named === null && style !== 'llama'
  const marks = new Map(
    ['<tool_call>', '</tool_call>', mistralMark].flatMap((one) => {
      const id = text.specialId(one)
      return id === null ? [] : [[id, one] as const]
    }),
  )
  return {
    messages: text.callStyle === null ? described(messages, offered) : messages,
    tools: text.callStyle === null ? null : offered,
    after: begins ? [mark] : [],
    grammar: isForced ? refusing('tools', () => callsGrammar(style, wanted, many)) : null,
    isNamed: named !== null,
    reader: () =>
      createCallReader({
        style,
        names: choice === 'none' ? new Set() : names,
        begun: isForced && style === 'mistral',
        single: !parallel,
      }),
    marks,
    // Mistral's templates insist on nine letters or digits.
    id: () =>
      style === 'mistral' ? randomBytes(5).toString('hex').slice(0, 9) : `call_${randomBytes(12).toString('hex')}`,
  }
}
