/**
 * `npm run bench -- speculation [MODEL_FOLDER]`: what guessing tokens brings where every step costs rounds of all-reduces: two
 * machines of a test LAN (network namespaces, root) at 1 Gbit/s with 0.1 ms added one way. The same request with and without
 * guesses, in turn; its answer is made of few different tokens, so that it repeats itself as quoted text or code does.
 */
import path from 'node:path'
import process from 'node:process'
import type { Machine } from '../../electron/contract/machine.ts'
import { fixtures, startDesktopApp } from '../e2e/desktop-app.ts'
import { startLan } from '../lan/lan.ts'

const folder = process.argv[2] ?? (fixtures === null ? null : path.join(fixtures, 'llama'))
if (folder === null) {
  console.error('npm run bench -- speculation MODEL_FOLDER (../shared/fixtures is not here)')
  process.exit(2)
}
const tokens = 150
const rounds = 5

await using lan = await startLan({ hosts: 2, shape: { rate: '1gbit', delayMs: 0.1 } })
await using app = await startDesktopApp(lan)
await using port = await lan.desktop.forward(app.openaiPort)

async function must<T>(...args: string[]): Promise<T> {
  const { code, value, stderr } = await app.lanyard<T>(...args)
  if (code !== 0) throw new Error(stderr)
  return value
}
for (const host of lan.hosts) {
  await must<Machine>('machines', 'add', host.name, '--accept-host-key', await host.hostKeyFingerprint())
}
await must('models', 'add', folder, '--name', 'm')
await must('serve', 'm', '--on', lan.hosts.map((host) => host.name).join(','), '--name', 'm')

/** ms per token after the first; nothing is guessed before `minTokens`. */
async function ask(allowed: number[], minTokens: number): Promise<{ ms: number; text: string; count: number }> {
  const begun = performance.now()
  const response = await fetch(`${port.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', host: `127.0.0.1:${app.openaiPort}` },
    body: JSON.stringify({
      model: 'm',
      prompt: [300, 301, 302, 303, 304, 305, 306, 307],
      max_tokens: tokens,
      temperature: 0,
      ignore_eos: true,
      // never sampled, because it is not allowed: it only makes min_tokens count
      stop_token_ids: [310],
      min_tokens: minTokens,
      allowed_token_ids: allowed,
    }),
  })
  const body = (await response.json()) as { choices: { text: string }[]; usage: { completion_tokens: number } }
  if (!response.ok) throw new Error(JSON.stringify(body))
  const count = body.usage.completion_tokens
  return { ms: (performance.now() - begun) / count, text: body.choices[0]!.text, count }
}

const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!
console.log(`${path.basename(folder)} on two machines, 1 Gbit/s, 0.1 ms one way, ${tokens} tokens; ms per token`)
for (const different of [2, 4, 16]) {
  const allowed = Array.from({ length: different }, (_, n) => 320 + n)
  const plain: number[] = []
  const guessed: number[] = []
  const texts = new Set<string>()
  for (let round = 0; round <= rounds; round++) {
    const [without, with_] = [await ask(allowed, tokens), await ask(allowed, 0)]
    texts.add(without.text).add(with_.text)
    if (round === 0) continue // connections, caches
    plain.push(without.ms)
    guessed.push(with_.ms)
  }
  const [before, after] = [median(plain), median(guessed)]
  console.log(
    `${String(different).padStart(3)} different tokens: ${before.toFixed(2)} plain, ${after.toFixed(2)} with guesses: ${(before / after).toFixed(2)}x; ${texts.size === 1 ? 'the same text' : 'OTHER TEXT'}`,
  )
}
const metrics = await (await fetch(`${port.url}/metrics`, { headers: { host: `127.0.0.1:${app.openaiPort}` } })).text()
console.log(
  metrics
    .split('\n')
    .filter((line) => line.startsWith('vllm:spec_decode'))
    .join('\n'),
)
await must('stop', 'm')
