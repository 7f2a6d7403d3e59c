/** Counts requests and tokens of a deployment: totals, tokens per second over the last 10 s, median time to first token. */

const windowMs = 10_000
const kept = 50

export interface Throughput {
  /** a request begins; call `tokens` for every batch of new tokens */
  request(promptTokens: number): { tokens(count: number): void }
  figures(): {
    requests: number
    promptTokens: number
    generatedTokens: number
    tokensPerSecond: number
    firstTokenMs: number | null
  }
}

/** @param now milliseconds, for tests */
export function createThroughput(now: () => number = () => performance.now()): Throughput {
  let requests = 0
  let promptTokens = 0
  let generatedTokens = 0
  const firsts: number[] = []
  let recent: { at: number; count: number }[] = []

  return {
    request(prompt) {
      const started = now()
      let first = true
      requests++
      promptTokens += prompt
      return {
        tokens(count) {
          const at = now()
          if (first) {
            first = false
            firsts.push(at - started)
            if (firsts.length > kept) firsts.shift()
          }
          generatedTokens += count
          recent.push({ at, count })
        },
      }
    },
    figures() {
      const at = now()
      recent = recent.filter((entry) => at - entry.at < windowMs)
      const oldest = recent[0]
      const count = recent.reduce((sum, entry) => sum + entry.count, 0)
      // A burst shorter than the window is divided by its own length, but never by less than a second.
      const seconds = oldest ? Math.max(1000, Math.min(windowMs, at - oldest.at)) / 1000 : 1
      const sorted = [...firsts].sort((a, b) => a - b)
      return {
        requests,
        promptTokens,
        generatedTokens,
        tokensPerSecond: count / seconds,
        firstTokenMs: sorted[Math.floor(sorted.length / 2)] ?? null,
      }
    },
  }
}
