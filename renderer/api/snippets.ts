/** The same small request in three languages, ready to paste. Pure. */

export const snippetLanguages = ['curl', 'python', 'javascript'] as const
export type SnippetLanguage = (typeof snippetLanguages)[number]

/** The port with `/v1` once, however the app spells it. */
export function baseUrl(url: string): string {
  return `${url.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1`
}

/** `text` inside single quotes of a POSIX shell. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

export function snippet(language: SnippetLanguage, url: string, model: string, prompt: string): string {
  const base = baseUrl(url)
  const [modelText, promptText, baseText] = [model, prompt, base].map((s) => JSON.stringify(s))
  switch (language) {
    case 'curl': {
      const body = JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] })
      return `curl ${base}/chat/completions \\\n  -H 'Content-Type: application/json' \\\n  -d ${shellQuoted(body)}`
    }
    case 'python':
      return `from openai import OpenAI

client = OpenAI(base_url=${baseText}, api_key="not-needed")
stream = client.chat.completions.create(
    model=${modelText},
    messages=[{"role": "user", "content": ${promptText}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`
    case 'javascript':
      return `import OpenAI from 'openai'

const client = new OpenAI({ baseURL: ${baseText}, apiKey: 'not-needed' })
const stream = await client.chat.completions.create({
  model: ${modelText},
  messages: [{ role: 'user', content: ${promptText} }],
  stream: true,
})
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')`
  }
}
