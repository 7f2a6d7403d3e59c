/**
 * Chat templates: messages → prompt text and ids. Rendering by @huggingface/jinja in the environment that
 * transformers gives its templates; ChatML where a model has no template.
 */
import { LanyardError } from '../contract/errors.ts'
import { isObject, type JsonObject } from './architecture/config.ts'
import { guardOf } from './guard.ts'
import { jinjaTemplate } from './jinja.ts'
import { tokenName } from './tokenizer/hugging-face.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/** One message, as templates take it. */
export interface ChatMessage {
  role: string
  content: unknown
  [extra: string]: unknown
}

export interface RenderOptions {
  /** false to leave the answer's opening out; default true */
  addGenerationPrompt?: boolean
  /** functions the model may call, in OpenAI's form */
  tools?: readonly unknown[] | null
  /** passed to the template by name (`enable_thinking`, …) */
  variables?: Record<string, unknown>
}

export interface ChatTemplate {
  /** false: ChatML stands in */
  readonly own: boolean
  render(messages: readonly ChatMessage[], options?: RenderOptions): string
  /** prompt ids; no text inside `messages` becomes a special token */
  ids(tokenizer: Tokenizer, messages: readonly ChatMessage[], options?: RenderOptions): number[]
}

const turns = `{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}`

/** ChatML. Qwen's first generation was trained with a system message always there. */
export function chatml(defaultSystem: string | null): string {
  if (defaultSystem === null) return turns
  return `{%- if not messages or messages[0].role != 'system' %}
    {{- '<|im_start|>system\\n${defaultSystem}<|im_end|>\\n' }}
{%- endif %}
${turns}`
}

/** The template in tokenizer_config.json: a string, or several by name of which "default" counts. */
export function templateOf(config: JsonObject): string | null {
  const found = config['chat_template']
  if (typeof found === 'string') return found
  if (!Array.isArray(found)) return null
  const named = found.filter(isObject)
  const chosen = named.find((entry) => entry['name'] === 'default') ?? named[0]
  return typeof chosen?.['template'] === 'string' ? chosen['template'] : null
}

/** Special tokens that templates name: bos_token, eos_token, …; one that the model lacks stays undefined. */
function namedTokens(config: JsonObject): Record<string, string> {
  const names = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']
  return Object.fromEntries(
    names.flatMap((name) => {
      const token = tokenName(config[name])
      return token === null ? [] : [[name, token]]
    }),
  )
}

/** Whether a template takes contents apart itself (`[{type: 'text', …}]`) instead of joining them as strings. */
function readsParts(source: string): boolean {
  return /\bfor\s+\w+\s+in\s+(\w+\.)?(content\b|\w+\[\s*['"]content['"]\s*\])/.test(source)
}

/** OpenAI's parts as one string, for templates that expect strings (Jinja here would print them as JSON). */
function flatContent(content: unknown): unknown {
  if (!Array.isArray(content)) return content
  return content.map((part) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('')
}

/** OpenAI carries the arguments of a call as JSON in a string; templates expect the object. */
function withArguments(call: unknown): unknown {
  if (!isObject(call) || !isObject(call['function']) || typeof call['function']['arguments'] !== 'string') return call
  try {
    return {
      ...call,
      function: { ...call['function'], arguments: JSON.parse(call['function']['arguments']) as unknown },
    }
  } catch {
    return call
  }
}

function prepared(message: ChatMessage, parts: boolean): ChatMessage {
  const content = parts ? message.content : flatContent(message.content)
  const calls = message['tool_calls']
  return Array.isArray(calls) ? { ...message, content, tool_calls: calls.map(withArguments) } : { ...message, content }
}

/**
 * @param source the template, or null for ChatML
 * @param config tokenizer_config.json, for the tokens a template names
 * @param defaultSystem ChatML's system message where a conversation has none
 * Throws `model_tokenizer` for a template that cannot be parsed; rendering throws `bad_request` when the template
 * refuses the conversation.
 */
export function chatTemplate(
  source: string | null,
  config: JsonObject,
  defaultSystem: string | null = null,
): ChatTemplate {
  const text = source ?? chatml(defaultSystem)
  let template: ReturnType<typeof jinjaTemplate>
  try {
    template = jinjaTemplate(text)
  } catch (cause) {
    throw new LanyardError(
      'model_tokenizer',
      `The chat template cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Replace chat_template in tokenizer_config.json by one that Jinja can parse.',
      { cause },
    )
  }
  const tokens = namedTokens(config)
  const parts = readsParts(text)

  const run = (messages: readonly unknown[], options: RenderOptions, variables: Record<string, unknown>): string => {
    try {
      return template.render({
        ...tokens,
        add_generation_prompt: options.addGenerationPrompt ?? true,
        ...variables,
        messages,
        tools: options.tools ?? null,
      })
    } catch (cause) {
      throw new LanyardError(
        'bad_request',
        `The model's chat template refuses this conversation: ${cause instanceof Error ? cause.message : String(cause)}`,
        'Check the roles and their order: many models want user and assistant in turn.',
        { cause },
      )
    }
  }
  return {
    own: source !== null,
    render: (messages, options = {}) =>
      run(
        messages.map((message) => prepared(message, parts)),
        options,
        options.variables ?? {},
      ),
    ids(tokenizer, messages, options = {}) {
      const given = {
        messages: messages.map((message) => prepared(message, parts)),
        tools: options.tools ?? null,
        variables: options.variables ?? {},
      }
      const guard = guardOf(tokenizer.specials.keys(), text + JSON.stringify(given))
      const safe = guard.protect(given)
      const { text: rendered, special } = guard.restore(
        run(safe.messages, { ...options, tools: safe.tools }, safe.variables),
      )
      return tokenizer.encode(rendered, { special })
    },
  }
}
