import { expect, test } from 'vitest'
import { createThroughput } from './throughput.ts'

test('tokens per second look back ten seconds, first tokens give their median, totals stay', () => {
  let at = 0
  const throughput = createThroughput(() => at)
  for (const wait of [100, 300, 200]) {
    const request = throughput.request(5)
    at += wait
    request.tokens(1)
    for (let i = 0; i < 9; i++) {
      at += 100
      request.tokens(1)
    }
  }
  // 30 tokens in 3.3 s, the first at 100 ms
  expect(throughput.figures()).toMatchObject({ requests: 3, promptTokens: 15, generatedTokens: 30, firstTokenMs: 200 })
  expect(throughput.figures().tokensPerSecond).toBeCloseTo(30 / 3.2, 5)
  at += 10_000
  expect(throughput.figures()).toMatchObject({ tokensPerSecond: 0, generatedTokens: 30 })
})
