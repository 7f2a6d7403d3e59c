/**
 * `npm run bench -- serve --model NAME [options]`: load on a deployment that runs, through its OpenAI port; any other server
 * with that interface (llama-server, vLLM) is measured the same way.
 *
 *   --url URL         default http://127.0.0.1:8317/v1
 *   --key KEY         where one is needed
 *   --streams LIST    answers at once, one measurement each; default 1,4,16
 *   --prompt N        tokens of each prompt, all different; default 128
 *   --tokens N        tokens of each answer; default 64
 *   --ids LOW:HIGH    prompts are random ids between these; default 1000:5000
 *   --repeat N        rounds, of which the medians are given; default 1
 *   --json            one object for each line
 */
import process from 'node:process'
import { parseArgs } from 'node:util'

interface Answer {
  /** ms from the request to the first text */
  first: number
  /** ms between the arrivals of text */
  between: number[]
  tokens: number
}

interface Round {
  tokensPerSecond: number
  firstP50: number
  firstP95: number
  betweenP50: number
  betweenP95: number
  betweenP99: number
}

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    url: { type: 'string', default: 'http://127.0.0.1:8317/v1' },
    key: { type: 'string' },
    streams: { type: 'string', default: '1,4,16' },
    prompt: { type: 'string', default: '128' },
    tokens: { type: 'string', default: '64' },
    ids: { type: 'string', default: '1000:5000' },
    repeat: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
if (values.model === undefined) {
  console.error('npm run bench -- serve --model NAME [--url URL] [--streams 1,4,16] [--prompt N] [--tokens N]')
  process.exit(2)
}
const url = values.url.replace(/\/$/, '')
const headers = {
  'content-type': 'application/json',
  ...(values.key === undefined ? {} : { authorization: `Bearer ${values.key}` }),
}
const promptTokens = Number(values.prompt)
const [low, high] = values.ids.split(':').map(Number) as [number, number]

/** One streamed answer of exactly `tokens` tokens. */
async function ask(tokens: number): Promise<Answer> {
  const prompt = Array.from({ length: promptTokens }, () => low + Math.floor(Math.random() * (high - low)))
  const begun = performance.now()
  const response = await fetch(`${url}/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      model: values.model,
      prompt,
      max_tokens: tokens,
      temperature: 0,
      ignore_eos: true,
      stream: true,
      stream_options: { include_usage: true },
    }),
  })
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`)
  const answer: Answer = { first: 0, between: [], tokens: 0 }
  let last = 0
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const at = performance.now()
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue
      const chunk = JSON.parse(line.slice(6)) as {
        error?: { message: string }
        choices: { text?: string }[]
        usage?: { completion_tokens: number } | null
      }
      if (chunk.error) throw new Error(chunk.error.message)
      if (chunk.usage) answer.tokens = chunk.usage.completion_tokens
      if (!chunk.choices[0]?.text) continue
      if (last === 0) answer.first = at - begun
      else answer.between.push(at - last)
      last = at
    }
  }
  return answer
}

const percentile = (list: readonly number[], part: number): number =>
  list.toSorted((a, b) => a - b)[Math.floor((list.length - 1) * part)] ?? NaN

async function round(streams: number): Promise<Round> {
  const begun = performance.now()
  const answers = await Promise.all(Array.from({ length: streams }, () => ask(Number(values.tokens))))
  const seconds = (performance.now() - begun) / 1000
  const firsts = answers.map(({ first }) => first)
  const between = answers.flatMap((answer) => answer.between)
  return {
    tokensPerSecond: answers.reduce((sum, { tokens }) => sum + tokens, 0) / seconds,
    firstP50: percentile(firsts, 0.5),
    firstP95: percentile(firsts, 0.95),
    betweenP50: percentile(between, 0.5),
    betweenP95: percentile(between, 0.95),
    betweenP99: percentile(between, 0.99),
  }
}

await ask(4) // everything is warm, and what is wrong is said before the table
if (!values.json) {
  console.log(`${values.model}: prompts of ${promptTokens} tokens, answers of ${values.tokens}; ms`)
  console.log('streams    tok/s   first p50      p95   between p50      p95      p99')
}
for (const streams of values.streams.split(',').map(Number)) {
  const rounds: Round[] = []
  for (let n = 0; n < Number(values.repeat); n++) rounds.push(await round(streams))
  const median = (of: keyof Round): number =>
    percentile(
      rounds.map((one) => one[of]),
      0.5,
    )
  const f = (of: keyof Round, width: number): string => median(of).toFixed(1).padStart(width)
  if (values.json) {
    const names = Object.keys(rounds[0]!) as (keyof Round)[]
    console.log(JSON.stringify({ streams, ...Object.fromEntries(names.map((name) => [name, median(name)])) }))
  } else {
    console.log(
      `${String(streams).padStart(7)}${f('tokensPerSecond', 9)}${f('firstP50', 12)}${f('firstP95', 9)}${f('betweenP50', 14)}${f('betweenP95', 9)}${f('betweenP99', 9)}`,
    )
  }
}
process.exit(0)
