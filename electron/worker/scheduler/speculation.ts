/**
 * Guessing the next tokens by looking up where the last ones stood before (prompt lookup). A step then samples at every
 * guessed position; a guess is accepted when it is the very token that is sampled there, so with or without guesses the
 * same seed brings the same text, and the distribution is the model's. Pure.
 */

/** Most tokens guessed at once. */
export const mostGuesses = 8
/** A repetition of fewer tokens says nothing. */
const shortest = 2
/** Beyond this many tokens back nothing is looked for. */
const farthest = 16_384

/**
 * Up to `most` tokens that followed where the last tokens stood before: the longest match, of equal ones the latest.
 * Nothing when the last two were never there together.
 */
export function lookUp(tokens: readonly number[], most: number): number[] {
  const end = tokens.length
  if (end <= shortest || most < 1) return []
  const last = tokens[end - 1]!
  let best = 0
  let bestAt = 0
  for (let at = end - 2, least = Math.max(0, end - farthest); at >= least + shortest - 1; at--) {
    if (tokens[at] !== last) continue
    let length = 1
    while (length < mostMatched && at - length >= least && tokens[at - length] === tokens[end - 1 - length]) length++
    if (length <= best) continue
    best = length
    bestAt = at
    if (best === mostMatched) break
  }
  return best < shortest ? [] : tokens.slice(bestAt + 1, bestAt + 1 + most)
}
/** Longer matches are as good as this one. */
const mostMatched = 8

/** How likely a guess is accepted, learnt from a sequence's own. */
export interface Acceptance {
  rate: number
}

const expected = 0.5
const learning = 0.1
const forgetting = 0.004

export const newAcceptance = (): Acceptance => ({ rate: expected })

/** After a step with guesses: `accepted` of `guessed` came true, in order; the first wrong one ends them. */
export function learn(acceptance: Acceptance, guessed: number, accepted: number): void {
  for (let n = 0; n < accepted; n++) acceptance.rate += (1 - acceptance.rate) * learning
  if (accepted < guessed) acceptance.rate -= acceptance.rate * learning
}

/** After a token without guesses: a sequence that was hard to guess may have become easy. */
export function forget(acceptance: Acceptance): void {
  acceptance.rate += (expected - acceptance.rate) * forgetting
}

/**
 * How many guesses pay. A step of `sequences` brings as many tokens; one more token in it costs `costOfOne` of the step, so
 * the n-th guess pays while the chance that it is accepted, rate^n, is above sequences · costOfOne.
 */
export function guessesThatPay({ rate }: Acceptance, sequences: number, costOfOne: number): number {
  const least = Math.max(sequences * costOfOne, 0.01)
  if (rate <= least) return 0
  return Math.min(mostGuesses, Math.floor(Math.log(least) / Math.log(Math.min(rate, 0.999))))
}
