/** `npm run lint` and `npm run format`: rules and layers by oxlint, types by tsc, layout by oxfmt. */
import path from 'node:path'
import { pinnedNode, root } from './bootstrap.mjs'
import { run } from './run.ts'

export interface Check {
  name: string
  passed: boolean
}

const bin = (name: string) => path.join(root, 'node_modules', '.bin', name)
const oxlintConfig = path.join(root, 'build', 'oxlintrc.json')
const oxfmtConfig = path.join(root, 'build', 'oxfmtrc.json')
export const checked = ['electron', 'renderer', 'test', 'build']

/** Runs all three checks and shows what they say. */
export async function runChecks(): Promise<Check[]> {
  const commands: [string, string, string[]][] = [
    ['oxlint', bin('oxlint'), ['-c', oxlintConfig, '--type-aware', '--deny-warnings', ...checked]],
    ['tsc', bin('tsc'), ['-p', root]],
    ['oxfmt', bin('oxfmt'), ['-c', oxfmtConfig, '--check', ...checked]],
  ]
  const checks: Check[] = []
  for (const [name, program, args] of commands) {
    // Under the pinned Node, whatever `node` is on the PATH: our layer rules are TypeScript.
    const { status } = await run(pinnedNode()!, [program, ...args], { cwd: root, show: true, timeoutMs: 5 * 60_000 })
    console.log(`${name} ${status === 0 ? 'passed' : `failed (status ${status})`}`)
    checks.push({ name, passed: status === 0 })
  }
  return checks
}

export async function lint(): Promise<number> {
  return (await runChecks()).every((check) => check.passed) ? 0 : 1
}

export async function format(args: string[]): Promise<number> {
  const paths = args.length > 0 ? args : checked
  return (await run(bin('oxfmt'), ['-c', oxfmtConfig, ...paths], { cwd: root, show: true })).status
}
