/** Following the app while a command waits: progress lines on stderr, questions answered at the terminal. */
import { createInterface } from 'node:readline/promises'
import { applyPatches, enablePatches } from 'immer'
import type { AppContract } from '../contract/app.ts'
import type { Question } from '../contract/job.ts'
import type { Client } from '../contract/rpc/contract.ts'
import type { AppState } from '../contract/state.ts'

enablePatches()

/** Calls `onState` with every state until disposed. */
export function followState(client: Client<AppContract>, onState: (state: AppState) => void): Disposable {
  const stop = new AbortController()
  let state: AppState | undefined
  client
    .stream(
      'state.watch',
      {},
      (event) => {
        state = event.kind === 'whole' ? event.state : state && applyPatches(state, event.patches as never)
        if (state) onState(state)
      },
      { signal: stop.signal },
    )
    .catch(() => undefined) // the command's own call reports a lost app
  return { [Symbol.dispose]: () => stop.abort() }
}

/** Prints each line once it changes; nothing when `quiet`. */
export function createProgress(quiet: boolean): (key: string, line: string) => void {
  const last = new Map<string, string>()
  return (key, line) => {
    if (quiet || last.get(key) === line) return
    last.set(key, line)
    process.stderr.write(`${line}\n`)
  }
}

/**
 * Asks the person at the terminal what the app wants to know. Without a terminal every question is declined, so
 * that the call fails with the fingerprint and the option to pass.
 */
export function createAnswerer(client: Client<AppContract>): (questions: Question[]) => void {
  const seen = new Set<string>()
  let queue = Promise.resolve()
  const ask = async (question: Question): Promise<void> => {
    const text = await answerOf(question)
    await client
      .call('question.answer', { id: question.id, accept: text !== null, remember: true, text })
      .catch(() => undefined)
  }
  return (questions) => {
    for (const question of questions) {
      if (seen.has(question.id)) continue
      seen.add(question.id)
      queue = queue.then(() => ask(question))
    }
  }
}

async function answerOf(question: Question): Promise<string | null> {
  if (!process.stdin.isTTY) return null
  if (question.kind === 'host-key') {
    using prompt = terminal()
    process.stderr.write(`${question.text}\n`)
    const answer = await prompt.ask(
      `Trust ${question.hostKey?.fingerprint ?? 'this key'}? Type yes to trust and remember: `,
    )
    return answer.trim().toLowerCase() === 'yes' ? '' : null
  }
  process.stderr.write(`${question.text}: `)
  const secret = await readHidden()
  process.stderr.write('\n')
  return secret === '' ? null : secret
}

function terminal(): { ask(text: string): Promise<string> } & Disposable {
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  return { ask: (text) => prompt.question(text), [Symbol.dispose]: () => prompt.close() }
}

/** One line from the terminal without showing it. */
function readHidden(): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    process.stdin.setRawMode(true)
    process.stdin.resume()
    const onData = (data: Buffer): void => {
      for (const character of data.toString('utf8')) {
        if (character === '\r' || character === '\n' || character === '\u0003' || character === '\u0004') {
          process.stdin.setRawMode(false)
          process.stdin.pause()
          process.stdin.off('data', onData)
          return resolve(character === '\u0003' ? '' : text)
        }
        text = character === '\u007f' ? text.slice(0, -1) : text + character
      }
    }
    process.stdin.on('data', onData)
  })
}
