/**
 * The grammar thread of rank 0: prepares formats and follows each constrained sequence through its own, so that neither
 * keeps a step waiting.
 */
import type { MessagePort } from 'node:worker_threads'
import { prepareFormat } from '../../grammar/follow.ts'
import type { Following, Format } from '../../grammar/follow.ts'
import { FormatError } from '../../grammar/grammar.ts'
import { createVocabulary } from '../../grammar/vocabulary.ts'
import type { FromGrammar, GrammarSetup, ToGrammar } from './messages.ts'

/** Formats that are kept for the next request with the same one. */
const kept = 16

/** Answers messages on `port` until the thread ends. */
export function serveGrammars({ tokens, vocab }: GrammarSetup, port: MessagePort): void {
  const vocabulary = createVocabulary(tokens, vocab)
  const formats = new Map<string, Format>()
  const followed = new Map<number, Following>()
  let outbox: FromGrammar[] = []
  const tell = (message: FromGrammar): void => void outbox.push(message)

  function formatOf(ebnf: string): Format {
    const found = formats.get(ebnf) ?? prepareFormat(ebnf, tokens, vocabulary)
    formats.delete(ebnf)
    formats.set(ebnf, found)
    if (formats.size > kept) formats.delete(formats.keys().next().value!)
    return found
  }

  function drop(id: number): void {
    followed.get(id)?.end()
    followed.delete(id)
  }

  function advance(id: number, following: Following): void {
    const mask = following.next()
    if (typeof mask !== 'string') return tell({ kind: 'mask', id, mask })
    drop(id)
    if (mask === 'whole') return tell({ kind: 'finished', id })
    tell({ kind: 'failed', id, invalid: false, message: 'No token of this model can go on with this format.' })
  }

  function handle(message: ToGrammar): void {
    const { id } = message
    if (message.kind === 'close') return drop(id)
    if (message.kind === 'open') {
      const following = formatOf(message.ebnf).begin(message.stopIds)
      followed.set(id, following)
      return advance(id, following)
    }
    const following = followed.get(id)
    if (!following) return
    if (!following.take(message.token)) throw new Error(`Token ${message.token} does not fit the format.`)
    advance(id, following)
  }

  function answer(message: ToGrammar): void {
    try {
      handle(message)
    } catch (error) {
      drop(message.id)
      const text = error instanceof Error ? error.message : String(error)
      // A stack that overflows is a format that is nested too deeply.
      const invalid = error instanceof FormatError || (message.kind === 'open' && error instanceof RangeError)
      tell({ kind: 'failed', id: message.id, invalid, message: text })
    }
  }

  port.on('message', (messages: ToGrammar[]) => {
    for (const message of messages) {
      // A new format may take long: it must not hold up what is there.
      if (message.kind === 'open') send()
      answer(message)
    }
    send()
  })

  function send(): void {
    if (outbox.length > 0) port.postMessage(outbox)
    outbox = []
  }
}
