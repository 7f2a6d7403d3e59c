/** `lanyard chat`: one answer, or a conversation, through the OpenAI port like any other client. */
import { createInterface } from 'node:readline/promises'
import { createParser } from 'eventsource-parser'
import type { ErrorCode } from '../contract/errors.ts'
import { errorCode, LanyardError } from '../contract/errors.ts'
import { isJson, print } from './output.ts'

interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}
export interface ChatOptions {
  system?: string
  temperature?: string
  maxTokens?: string
  seed?: string
}

export async function chat(
  openaiUrl: string,
  model: string,
  prompt: string | undefined,
  options: ChatOptions,
): Promise<void> {
  const messages: Message[] = options.system ? [{ role: 'system', content: options.system }] : []
  if (prompt !== undefined) {
    messages.push({ role: 'user', content: prompt })
    const text = await answer(
      openaiUrl,
      model,
      messages,
      options,
      isJson() ? () => undefined : (delta) => process.stdout.write(delta),
    )
    if (isJson()) print({ model, text }, () => text)
    else process.stdout.write('\n')
    return
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: 'you › ' })
  terminal.prompt()
  for await (const line of terminal) {
    if (line.trim() !== '') {
      messages.push({ role: 'user', content: line })
      process.stdout.write(`${model} › `)
      const text = await answer(openaiUrl, model, messages, options, (delta) => process.stdout.write(delta))
      process.stdout.write('\n')
      messages.push({ role: 'assistant', content: text })
    }
    terminal.prompt()
  }
}

async function answer(
  openaiUrl: string,
  model: string,
  messages: Message[],
  options: ChatOptions,
  onText: (delta: string) => void,
): Promise<string> {
  const response = await fetch(`${openaiUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages,
      stream: true,
      temperature: numberOf(options.temperature),
      max_completion_tokens: numberOf(options.maxTokens),
      seed: numberOf(options.seed),
    }),
  })
  if (!response.ok || !response.body) throw errorOfBody(await response.json().catch(() => null), response.status)
  let text = ''
  let failure: LanyardError | undefined
  const parser = createParser({
    onEvent({ data }) {
      if (data.startsWith('[DONE]')) return
      const chunk = JSON.parse(data) as { error?: unknown; choices?: { delta?: { content?: string } }[] }
      if (chunk.error) failure = errorOfBody(chunk, 500)
      const delta = chunk.choices?.[0]?.delta?.content ?? ''
      text += delta
      if (delta) onText(delta)
    },
  })
  const decoder = new TextDecoder()
  for await (const bytes of response.body) parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }))
  if (failure) throw failure
  return text
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value)) throw new LanyardError('usage', `"${text}" is not a number.`)
  return value
}

function errorOfBody(body: unknown, status: number): LanyardError {
  const error = (body as { error?: { message?: string; code?: string } } | null)?.error
  const known = errorCode.safeParse(error?.code)
  const code: ErrorCode = known.success ? known.data : status === 404 ? 'not_found' : 'bad_request'
  return new LanyardError(
    code,
    error?.message ?? `The app answered ${status}.`,
    status === 404 ? 'lanyard status lists what is served; lanyard serve MODEL starts one.' : '',
  )
}
