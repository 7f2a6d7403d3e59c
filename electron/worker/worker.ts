/** What runs on a machine. Usage: see `arguments.ts`. */
import process from 'node:process'
import { parentPort, workerData } from 'node:worker_threads'
import { LanyardError, problemOf } from '../contract/errors.ts'
import { attach, runWorker, stopWorker } from './agent/agent.ts'
import { parseCommand } from './arguments.ts'
import { readBundle } from './bundle.ts'
import { openFolder } from './folder.ts'
import type { GrammarSetup } from './grammar/messages.ts'
import { serveGrammars } from './grammar/thread.ts'
import { runRank } from './rank/child.ts'
import { receiveShard } from './shards/receive.ts'

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2))
  switch (command.command) {
    case 'run':
      return runWorker(command)
    case 'attach':
      return attach(command)
    case 'put': {
      const receipt = await receiveShard(openFolder(command.folder).shards, command.order, process.stdin)
      process.stdout.write(`${JSON.stringify(receipt)}\n`)
      process.exitCode = receipt.ok ? 0 : 1
      return
    }
    case 'stop':
      return stopWorker(command.folder)
    case 'rank':
      return runRank()
    case 'grammar': {
      if (!parentPort) throw new LanyardError('usage', 'A grammar thread is started by rank 0 only.')
      serveGrammars(workerData as GrammarSetup, parentPort)
      return new Promise(() => undefined)
    }
    case 'version': {
      const { version, hash } = readBundle()
      process.stdout.write(`${JSON.stringify({ version, hash })}\n`)
    }
  }
}

try {
  await main()
  // Open pipes of a client must not keep the process once its work is done; what was written is flushed first.
  await new Promise((resolve) => process.stdout.write('', resolve))
  process.exit()
} catch (error) {
  // One JSON line, last on stderr: whoever started this process on the machine reads it.
  const problem = problemOf(error)
  process.stderr.write(`${JSON.stringify(problem)}\n`)
  process.exit(problem.code === 'usage' ? 2 : 1)
}
