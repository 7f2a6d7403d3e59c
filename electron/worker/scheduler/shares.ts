/** How a step's room for prompts is divided. */

/**
 * `left[n]` tokens of the n-th prompt (in order of arrival) are not read yet; returns how many of each this step reads, at
 * most `room` together. The oldest has a quarter of the room for itself, so that a long prompt is always read on; the
 * rest goes to the one that needs least first, so that a long prompt does not hold up short ones.
 */
export function shareOut(left: readonly number[], room: number): number[] {
  const shares = left.map(() => 0)
  if (left.length === 0) return shares
  shares[0] = Math.min(left[0]!, Math.ceil(room / 4))
  let rest = room - shares[0]
  const order = left.map((_, n) => n).sort((a, b) => left[a]! - left[b]! || a - b)
  for (const n of order) {
    const more = Math.min(left[n]! - shares[n]!, rest)
    shares[n]! += more
    rest -= more
  }
  return shares
}
