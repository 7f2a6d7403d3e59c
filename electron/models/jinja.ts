/**
 * Templates by @huggingface/jinja 0.5.11, with one repair: the library compares with JavaScript's loose equality, in
 * which '' equals false and 1 equals '1', and lists equal only themselves. (An empty system message made Llama 2's
 * template, which asks `system_message != false`, drop its frame.) Comparisons in the parsed template become calls
 * of a function that compares as Python does.
 */
import { Template } from '@huggingface/jinja'

const equalName = '__lanyard_equal'

type Node = Record<string, unknown>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

/** Values reach functions unwrapped at the top, and wrapped as { type, value } within lists and mappings. */
const unwrapped = (value: unknown): unknown =>
  isNode(value) && !Array.isArray(value) && !(value instanceof Map) && 'value' in value ? value['value'] : value

/** Python's == over what JSON can express. */
export function pythonEqual(left: unknown, right: unknown): boolean {
  const a = unwrapped(left)
  const b = unwrapped(right)
  const isNumber = (value: unknown) => typeof value === 'number' || typeof value === 'boolean'
  if (isNumber(a) && isNumber(b)) return Number(a) === Number(b)
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => pythonEqual(item, b[i]))
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && pythonEqual(value, b.get(key)))
  }
  return a === b
}

/** Replaces comparisons below `node`, which is part of a parsed template. */
function repaired(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(repaired)
  if (!isNode(node) || node instanceof Map) return node
  for (const [key, value] of Object.entries(node)) node[key] = repaired(value)
  if (node['type'] !== 'BinaryExpression' || !isNode(node['operator'])) return node
  const operator = node['operator']['value']
  if (operator !== '==' && operator !== '!=') return node
  const name = operator === '==' ? equalName : `${equalName}_not`
  return { type: 'CallExpression', callee: { type: 'Identifier', value: name }, args: [node['left'], node['right']] }
}

/** A template that can be rendered. Throws the library's errors, at parsing and at rendering. */
export function jinjaTemplate(source: string): { render(variables: Record<string, unknown>): string } {
  const template = new Template(source)
  repaired(template.parsed)
  return {
    render: (variables) =>
      template.render({
        ...variables,
        [equalName]: pythonEqual,
        [`${equalName}_not`]: (a: unknown, b: unknown) => !pythonEqual(a, b),
      }),
  }
}
