/**
 * Who may import whom, as a table and one function, and the oxlint plugin that applies it. Dependencies point one way:
 * renderer → contract ← app → services → (models, placement, grammar); worker → (contract, grammar). `layers.test.ts` plants a violation
 * of each rule.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const services = ['machines', 'serving', 'openai', 'monitoring', 'store']

/** Folders of electron/ and what each may import of the others beside itself. Folders not named here are free. */
const allowed: Record<string, string[]> = {
  contract: [],
  grammar: [],
  worker: ['contract', 'grammar'],
  models: ['contract'],
  placement: ['contract', 'models'],
}

/** Files that start things: nothing below them may import them. */
const entries = [
  'electron/main.ts',
  'electron/preload.ts',
  'electron/headless.ts',
  'electron/cli.ts',
  'electron/app.ts',
]

/** Packages that only some files may import. */
const reserved: { name: RegExp; only: RegExp; reason: string }[] = [
  {
    name: /^electron(\/|$)/,
    only: /^electron\/(main|preload|window|tray)\.ts$/,
    reason: 'only main.ts, preload.ts, window.ts and tray.ts import electron: everything else runs without it',
  },
  {
    name: /^ssh2(\/|$)/,
    only: /^(electron\/machines|test)\//,
    reason: 'only machines/ imports ssh2: one place verifies host keys',
  },
]

/**
 * Why `file` may not import `specifier`, or undefined when it may.
 * @param file path from the checkout, with forward slashes
 * @param specifier as written in the import
 */
export function layerViolation(file: string, specifier: string): string | undefined {
  const isTest = /\.test\.tsx?$/.test(file) || file.startsWith('test/')
  if (!specifier.startsWith('.')) return packageViolation(file, specifier, isTest)
  if (isTest) return undefined
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  const [from, fromFolder] = placeOf(file)
  const [to, toFolder] = placeOf(target)
  if (from === 'build') return undefined
  if (to === 'test' || to === 'build') return `${from}/ does not import ${to}/`
  if (from === 'renderer') {
    return to === 'renderer' || toFolder === 'contract'
      ? undefined
      : 'the renderer imports electron/contract only: it runs in a browser'
  }
  if (from === 'electron' && to === 'renderer') return 'electron/ does not import renderer/'
  if (from !== 'electron' || fromFolder === toFolder) return undefined
  if (fromFolder !== '' && entries.includes(target)) return `${target} starts things: nothing it is made of imports it`
  const mayImport = allowed[fromFolder]
  if (mayImport && !mayImport.includes(toFolder)) {
    const rest = mayImport.length > 0 ? ` ${mayImport.join(' and ')} only` : ' nothing of ours'
    return `electron/${fromFolder}/ imports${rest}, not ${toFolder === '' ? target : `electron/${toFolder}/`}`
  }
  const isInside = target.split('/').length > 3
  if (isInside && (services.includes(toFolder) || toFolder === 'models' || toFolder === 'placement')) {
    return `a service is used through its public file, not through what is inside electron/${toFolder}/`
  }
  if (toFolder === 'worker') return 'the app talks to workers through the contract, not by importing them'
  return undefined
}

function packageViolation(file: string, specifier: string, isTest: boolean): string | undefined {
  const rule = reserved.find(({ name }) => name.test(specifier))
  if (rule && !rule.only.test(file) && !file.startsWith('build/')) return rule.reason
  if (isTest) return undefined
  const [from, folder] = placeOf(file)
  if (from === 'renderer' && specifier.startsWith('node:')) return 'the renderer runs in a browser: no Node modules'
  if (from === 'electron' && folder === 'contract') {
    const isTransport = file.startsWith('electron/contract/rpc/')
    const isAllowed = specifier === 'zod/mini' || (isTransport && /^(node:|ws$|vscode-jsonrpc(\/|$))/.test(specifier))
    if (!isAllowed) return 'the contract imports zod/mini only, and vscode-jsonrpc under rpc/'
  }
  return undefined
}

/** Top-level folder and, inside electron/, the folder below it ('' for files directly in electron/). */
function placeOf(file: string): [string, string] {
  const [top = '', ...rest] = file.split('/')
  return [top, rest.length > 1 ? rest[0]! : '']
}

interface ImportNode {
  source?: { value: unknown } | null
  specifiers?: { type: string }[]
}

interface RuleContext {
  filename: string
  report: (problem: { node: unknown; message: string }) => void
}

// The checkout is the nearest folder above a file with a tsconfig.json: a copy of the tree is checked the same way.
function relativeToCheckout(filename: string): string {
  for (let folder = path.dirname(filename); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, 'tsconfig.json'))) return path.relative(folder, filename).split(path.sep).join('/')
  }
  return path
    .relative(fileURLToPath(new URL('..', import.meta.url)), filename)
    .split(path.sep)
    .join('/')
}

const layers = {
  create(context: RuleContext) {
    const file = relativeToCheckout(context.filename)
    const check = (node: ImportNode) => {
      const specifier = node.source?.value
      if (typeof specifier !== 'string') return
      const message = layerViolation(file, specifier)
      if (message) context.report({ node, message })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    }
  },
}

const zodNamespace = {
  create(context: RuleContext) {
    return {
      ImportDeclaration(node: ImportNode) {
        const specifier = node.source?.value
        if (typeof specifier !== 'string' || !/^zod(\/|$)/.test(specifier)) return
        const isNamespace = node.specifiers?.every((name) => name.type === 'ImportNamespaceSpecifier')
        if (specifier === 'zod/mini' && isNamespace) return
        context.report({
          node,
          message: "write `import * as z from 'zod/mini'`: other ways put up to 91 kB into the window",
        })
      },
    }
  },
}

export default { meta: { name: 'lanyard' }, rules: { layers, 'zod-namespace': zodNamespace } }
