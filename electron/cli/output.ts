/** What a command prints: text for people, or one JSON value. Errors go to stderr with their hint. */
import { problemOf } from '../contract/errors.ts'

let json = process.argv.includes('--json')

export function setJson(on: boolean): void {
  json = on
}

export function isJson(): boolean {
  return json
}

export function print(value: unknown, text: () => string): void {
  const out = json ? JSON.stringify(value, null, 2) : text()
  process.stdout.write(out.endsWith('\n') ? out : `${out}\n`)
}

/** @returns the exit code: 2 for wrong usage, else 1 */
export function printError(error: unknown, usage: boolean): number {
  const problem = problemOf(error)
  if (json) process.stderr.write(`${JSON.stringify(problem)}\n`)
  else process.stderr.write(`${problem.message} [${problem.code}]\n${problem.hint ? `  → ${problem.hint}\n` : ''}`)
  return usage ? 2 : 1
}
