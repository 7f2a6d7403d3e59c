/** What the port measures, as Prometheus text under the names that dashboards for vLLM know. */
import type { DeploymentStats } from '../contract/deployment.ts'
import type { Completion, CompletionEnd } from '../serving/completion.ts'

export type EngineFigures = Pick<
  DeploymentStats,
  'kvUsed' | 'kvTotal' | 'preempted' | 'readTokens' | 'cachedTokens' | 'drafted' | 'accepted'
>

interface Histogram {
  bounds: readonly number[]
  counts: number[]
  sum: number
  count: number
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
const perToken = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5]
const tokenCounts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]

function histogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: bounds.map(() => 0), sum: 0, count: 0 }
}

function observe(into: Histogram, value: number): void {
  into.sum += value
  into.count++
  const at = into.bounds.findIndex((bound) => value <= bound)
  if (at >= 0) into.counts[at]!++
}

function newSeries() {
  return {
    running: 0,
    waiting: 0,
    promptTokens: 0,
    generationTokens: 0,
    ended: new Map<string, number>(),
    histograms: {
      time_to_first_token_seconds: histogram(seconds),
      inter_token_latency_seconds: histogram(perToken),
      e2e_request_latency_seconds: histogram(seconds),
      request_queue_time_seconds: histogram(seconds),
      request_prefill_time_seconds: histogram(seconds),
      request_decode_time_seconds: histogram(seconds),
      request_inference_time_seconds: histogram(seconds),
      request_time_per_output_token_seconds: histogram(perToken),
      request_prompt_tokens: histogram(tokenCounts),
      request_generation_tokens: histogram(tokenCounts),
      request_params_n: histogram([1, 2, 5, 10, 20, 50, 128]),
      request_params_max_tokens: histogram(tokenCounts),
    },
  }
}
type Series = ReturnType<typeof newSeries>

export interface ChoiceMeter {
  /** its prompt is being read, nothing is before it in the queue any more */
  reading(): void
  /** so many tokens came; the first time it started */
  tokens(count: number): void
  ended(end: CompletionEnd | null): void
}

export interface Metrics {
  request(completion: Completion, n: number): void
  /** one generation: waiting until `started`, running until `ended` */
  choice(model: string): ChoiceMeter
  /** choices that wait or run now, over all models */
  active(): number
  text(): string
}

/** `engine`: what a model's engine counts, where it is known. */
export function createMetrics(
  engine: (model: string) => EngineFigures | null,
  now: () => number = () => performance.now(),
): Metrics {
  const byModel = new Map<string, Series>()
  const seriesOf = (model: string): Series => {
    const found = byModel.get(model) ?? newSeries()
    byModel.set(model, found)
    return found
  }
  let active = 0
  return {
    request(completion, n) {
      const { histograms } = seriesOf(completion.served.name)
      observe(histograms.request_params_n, n)
      observe(histograms.request_params_max_tokens, completion.maxTokens)
    },
    choice(model) {
      const series = seriesOf(model)
      let phase: 'waiting' | 'running' | 'ended' = 'waiting'
      const begun = now()
      let readFrom: number | null = null
      let first: number | null = null
      let last = 0
      series.waiting++
      active++
      return {
        reading() {
          readFrom ??= now()
        },
        tokens(count) {
          const at = now()
          // tokens that come together share the time since those before them
          for (let n = 0; phase === 'running' && n < count; n++)
            observe(series.histograms.inter_token_latency_seconds, (at - last) / 1000 / count)
          last = at
          first ??= at
          if (phase !== 'waiting') return
          phase = 'running'
          series.waiting--
          series.running++
        },
        ended(end) {
          if (phase === 'ended') return
          series[phase]--
          phase = 'ended'
          active--
          const reason =
            end === null || end.finishReason === 'aborted'
              ? 'abort'
              : end.finishReason === 'failed'
                ? 'error'
                : end.finishReason
          series.ended.set(reason, (series.ended.get(reason) ?? 0) + 1)
          if (end) record(series, end)
          if (first === null) return
          const { histograms } = series
          const read = readFrom ?? begun
          observe(histograms.request_queue_time_seconds, (read - begun) / 1000)
          observe(histograms.request_prefill_time_seconds, (first - read) / 1000)
          observe(histograms.request_decode_time_seconds, (last - first) / 1000)
          observe(histograms.request_inference_time_seconds, (last - read) / 1000)
        },
      }
    },
    active: () => active,
    text: () => render(byModel, engine),
  }
}

function record(series: Series, { usage, timing }: CompletionEnd): void {
  const { histograms } = series
  series.promptTokens += usage.promptTokens
  series.generationTokens += usage.completionTokens
  observe(histograms.request_prompt_tokens, usage.promptTokens)
  observe(histograms.request_generation_tokens, usage.completionTokens)
  observe(histograms.e2e_request_latency_seconds, timing.totalMs / 1000)
  if (timing.firstTokenMs !== null) observe(histograms.time_to_first_token_seconds, timing.firstTokenMs / 1000)
  if (timing.tokensPerSecond > 0) observe(histograms.request_time_per_output_token_seconds, 1 / timing.tokensPerSecond)
}

const help: Record<string, string> = {
  num_requests_running: 'Generations that have given a token and have not ended.',
  num_preemptions_total: 'Generations that gave their place to others.',
  prefix_cache_queries_total: 'Prompt tokens looked up in the cache.',
  prefix_cache_hits_total: 'Prompt tokens found in the cache.',
  spec_decode_num_draft_tokens_total: 'Tokens guessed.',
  spec_decode_num_accepted_tokens_total: 'Tokens guessed right.',
  inter_token_latency_seconds: 'Time between tokens of a generation.',
  num_requests_waiting: 'Generations that have not given a token yet.',
  kv_cache_usage_perc: 'Part of the KV cache in use, 0 to 1.',
  prompt_tokens_total: 'Prompt tokens read.',
  generation_tokens_total: 'Tokens generated.',
  request_success_total: 'Generations ended, by reason.',
  time_to_first_token_seconds: 'Time from the request to its first token.',
  e2e_request_latency_seconds: 'Time from the request to its end.',
  request_time_per_output_token_seconds: 'Time per token after the first.',
  request_queue_time_seconds: 'Time until a prompt began to be read.',
  request_prefill_time_seconds: 'Time of reading a prompt, to the first token.',
  request_decode_time_seconds: 'Time from the first token to the last.',
  request_inference_time_seconds: 'Time from the beginning of reading to the last token.',
  request_prompt_tokens: 'Prompt tokens of a generation.',
  request_generation_tokens: 'Tokens of a generation.',
  request_params_n: 'Choices asked for.',
  request_params_max_tokens: 'Most tokens asked for, held to the context.',
}

function render(byModel: Map<string, Series>, engine: (model: string) => EngineFigures | null): string {
  const lines: string[] = []
  const labels = (model: string, more = ''): string =>
    `{model_name="${model.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}",engine="0"${more}}`
  const metric = (name: string, type: string, of: (series: Series, model: string) => string[]): void => {
    lines.push(`# HELP vllm:${name} ${help[name] ?? ''}`, `# TYPE vllm:${name} ${type}`)
    for (const [model, series] of byModel) lines.push(...of(series, model))
  }
  const one = (name: string, type: string, value: (series: Series, model: string) => number | null): void =>
    metric(name, type, (series, model) => {
      const n = value(series, model)
      return n === null ? [] : [`vllm:${name}${labels(model)} ${n}`]
    })
  one('num_requests_running', 'gauge', (s) => s.running)
  one('num_requests_waiting', 'gauge', (s) => s.waiting)
  const figure = (name: string, type: string, value: (figures: EngineFigures) => number | null): void =>
    one(name, type, (_s, model) => {
      const figures = engine(model)
      return figures && value(figures)
    })
  figure('kv_cache_usage_perc', 'gauge', ({ kvUsed, kvTotal }) => (kvTotal > 0 ? kvUsed / kvTotal : 0))
  figure('num_preemptions_total', 'counter', ({ preempted }) => preempted)
  figure('prefix_cache_queries_total', 'counter', ({ readTokens }) => readTokens)
  figure('prefix_cache_hits_total', 'counter', ({ cachedTokens }) => cachedTokens)
  figure('spec_decode_num_draft_tokens_total', 'counter', ({ drafted }) => drafted)
  figure('spec_decode_num_accepted_tokens_total', 'counter', ({ accepted }) => accepted)
  one('prompt_tokens_total', 'counter', (s) => s.promptTokens)
  one('generation_tokens_total', 'counter', (s) => s.generationTokens)
  metric('request_success_total', 'counter', (s, model) =>
    [...s.ended].map(
      ([reason, n]) => `vllm:request_success_total${labels(model, `,finished_reason="${reason}"`)} ${n}`,
    ),
  )
  for (const name of Object.keys(newSeries().histograms) as (keyof Series['histograms'])[]) {
    metric(name, 'histogram', ({ histograms }, model) => {
      const { bounds, counts, sum, count } = histograms[name]
      let below = 0
      const buckets = bounds.map(
        (bound, at) => `vllm:${name}_bucket${labels(model, `,le="${bound}"`)} ${(below += counts[at]!)}`,
      )
      return [
        ...buckets,
        `vllm:${name}_bucket${labels(model, ',le="+Inf"')} ${count}`,
        `vllm:${name}_sum${labels(model)} ${sum}`,
        `vllm:${name}_count${labels(model)} ${count}`,
      ]
    })
  }
  return `${lines.join('\n')}\n`
}
