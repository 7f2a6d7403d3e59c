/** What steps cost, learnt from those that were measured: decides whether guesses pay and how much of a prompt is read. */

export interface StepCost {
  /** a step of `sequences` that generate one token each, `guesses` more, and `prompt` tokens of prompts took `micros` */
  measured(step: { sequences: number; guesses: number; prompt: number; micros: number }): void
  /** what one more token costs, as a part of a step in which sequences only generate */
  ofOneMore(): number
  /**
   * prompt tokens that fit beside running sequences into a step of `micros`, or of `times` the step without prompts if that
   * is longer; Infinity while nothing is known
   */
  promptWithin(micros: number, times: number): number
}

const learning = 0.1
/** Until it is measured: reading weights costs far more than one more row to multiply them with. */
const assumed = 0.1

export function createStepCost(): StepCost {
  /** µs of a step without guesses, by its number of sequences, and of each guess */
  let base = 0
  let baseOf = 0
  let each: number | null = null
  /** µs of one prompt token */
  let perPrompt: number | null = null
  const toward = (old: number | null, value: number): number => (old === null ? value : old + (value - old) * learning)

  return {
    measured({ sequences, guesses, prompt, micros }) {
      if (!(micros > 0)) return
      if (prompt > 0) {
        if (prompt >= 8) perPrompt = toward(perPrompt, Math.max(0, micros - (sequences > 0 ? base : 0)) / prompt)
        return
      }
      if (guesses === 0) {
        base = baseOf === sequences ? toward(base, micros) : micros
        baseOf = sequences
        // Slowly back to what is assumed, or one bad measurement would end all guessing.
        if (each !== null) each += (assumed * base - each) * 0.002
      } else if (baseOf === sequences) {
        each = toward(each, Math.max(0, micros - base) / guesses)
      }
    },
    ofOneMore: () => (each === null || base === 0 ? assumed : each / base),
    promptWithin: (micros, times) =>
      perPrompt === null ? Infinity : (Math.max(micros, times * base) - base) / Math.max(perPrompt, 1e-3),
  }
}
