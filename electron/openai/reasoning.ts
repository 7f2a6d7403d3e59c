/** What a model thinks before it answers: the text between <think> and </think> at the very beginning. */

const opening = '<think>'
const closing = '</think>'

export interface ReasoningSplit {
  reasoning: string
  content: string
}

export interface ReasoningSplitter {
  /** is it thinking, as far as the text so far tells? */
  readonly thinks: boolean
  push(text: string): ReasoningSplit
  /** what was held back, when nothing more comes */
  end(): ReasoningSplit
}

/** Does a prompt that ends like this leave the model thinking? Some templates open the thought themselves. */
export const opensThought = (promptEnd: string): boolean => promptEnd.trimEnd().endsWith(opening)

/** The longest end of `text` that may be the beginning of `tag`. */
function heldBack(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--)
    if (tag.startsWith(text.slice(text.length - length))) return length
  return 0
}

/** Holds text back only while it may be a tag. `inside`: the prompt has opened the thought already. */
export function createReasoningSplitter(inside: boolean): ReasoningSplitter {
  let phase: 'start' | 'thinking' | 'answer' = inside ? 'thinking' : 'start'
  let held = ''
  const splitter: ReasoningSplitter = {
    get thinks() {
      return phase === 'thinking'
    },
    push(text) {
      held += text
      if (phase === 'start') {
        const begun = held.trimStart()
        if (begun.startsWith(opening)) {
          phase = 'thinking'
          held = begun.slice(opening.length)
        } else if (begun === '' || opening.startsWith(begun)) return { reasoning: '', content: '' }
        else phase = 'answer'
      }
      if (phase === 'answer') {
        const content = held
        held = ''
        return { reasoning: '', content }
      }
      const end = held.indexOf(closing)
      if (end >= 0) {
        const split = { reasoning: held.slice(0, end), content: held.slice(end + closing.length) }
        phase = 'answer'
        held = ''
        return split
      }
      const given = held.length - heldBack(held, closing)
      const reasoning = held.slice(0, given)
      held = held.slice(given)
      return { reasoning, content: '' }
    },
    end() {
      const rest = held
      held = ''
      return phase === 'thinking' ? { reasoning: rest, content: '' } : { reasoning: '', content: rest }
    },
  }
  return splitter
}
