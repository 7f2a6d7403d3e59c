/** An answer as the client reads it while it comes: thoughts, text, and calls of functions. Pure. */
import type { TokenText } from '../serving/completion.ts'
import type { CallEvent } from './calls.ts'
import { createReasoningSplitter } from './reasoning.ts'
import type { Calling } from './tools.ts'

export type AnswerEvent = CallEvent | { kind: 'thought'; text: string }

export interface AnswerReader {
  push(delta: string, tokens: readonly TokenText[]): AnswerEvent[]
  /** what was held back */
  end(): AnswerEvent[]
  /** is what came last a thought? */
  readonly thinks: boolean
  readonly calls: number
}

/**
 * @param opened the prompt leaves the model thinking
 * @param calling null where no function can be called
 */
export function createAnswerReader(opened: boolean, calling: Calling | null): AnswerReader {
  const splitter = createReasoningSplitter(opened)
  const reader = calling?.reader() ?? null
  let calls = 0

  const split = ({ reasoning, content }: { reasoning: string; content: string }): AnswerEvent[] => {
    const events: AnswerEvent[] = reasoning === '' ? [] : [{ kind: 'thought', text: reasoning }]
    if (content !== '') events.push(...(reader ? reader.push(content) : [{ kind: 'text', text: content } as const]))
    return counted(events)
  }
  const counted = (events: AnswerEvent[]): AnswerEvent[] => {
    for (const { kind } of events) if (kind === 'call') calls++
    return events
  }

  return {
    push(delta, tokens) {
      // Marks of calls may be special tokens, which are not in the text.
      const isMark = ({ id, text }: TokenText): boolean => text === '' && calling !== null && calling.marks.has(id)
      if (!tokens.some(isMark)) return split(splitter.push(delta))
      return split(splitter.push(tokens.map((one) => (isMark(one) ? calling!.marks.get(one.id)! : one.text)).join('')))
    },
    end: () => [...split(splitter.end()), ...counted(reader?.end() ?? [])],
    get thinks() {
      return splitter.thinks
    },
    get calls() {
      return calls
    },
  }
}
