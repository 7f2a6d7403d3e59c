/**
 * How a model writes calls of functions, told by its chat template:
 *
 *   hermes   <tool_call>{"name": …, "arguments": {…}}</tool_call>, one after the other (Hermes, Qwen)
 *   llama    {"name": …, "parameters": {…}} as the whole answer (Llama 3.1)
 *   mistral  [TOOL_CALLS][{"name": …, "arguments": {…}}, …]
 *
 * null: the template knows no functions.
 */
export type CallStyle = 'hermes' | 'llama' | 'mistral'

export function callStyleOf(template: string | null): CallStyle | null {
  if (template === null || !/\btools\b/.test(template)) return null
  if (template.includes('[TOOL_CALLS]')) return 'mistral'
  if (template.includes('<tool_call>')) return 'hermes'
  return /parameters/.test(template) && /ipython|python_tag/.test(template) ? 'llama' : null
}
