/** Server-sent events, as OpenAI's clients read them. */
import type { ApiError } from './errors.ts'
import { apiErrorOf, errorBody } from './errors.ts'

export const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
}

/** Comments disturb some decoders: only a connection that a proxy might think dead gets one. */
const quietMs = 15_000

/**
 * `data: <one line of JSON>` for each chunk, then `data: [DONE]`. A failure on the way is a chunk with `error`, also
 * followed by [DONE]. When the client goes away `leave` is called and the chunks are left.
 */
export function eventStream(
  chunks: AsyncGenerator<object, void, undefined>,
  leave: () => void,
  onFailure: (error: ApiError) => void = () => undefined,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const data = (value: object): Uint8Array => encoder.encode(`data: ${JSON.stringify(value)}\n\n`)
  const done = encoder.encode('data: [DONE]\n\n')
  let pending: Promise<IteratorResult<object, void>> | null = null
  return new ReadableStream(
    {
      async pull(controller) {
        pending ??= chunks.next()
        let timer: NodeJS.Timeout | undefined
        try {
          const quiet = new Promise<'quiet'>((resolve) => {
            timer = setTimeout(() => resolve('quiet'), quietMs)
          })
          const result = await Promise.race([pending, quiet])
          if (result === 'quiet') return controller.enqueue(encoder.encode(': still here\n\n'))
          pending = null
          if (!result.done) return controller.enqueue(data(result.value))
        } catch (error) {
          const failure = apiErrorOf(error)
          onFailure(failure)
          controller.enqueue(data(errorBody(failure)))
        } finally {
          clearTimeout(timer)
        }
        controller.enqueue(done)
        controller.close()
      },
      cancel() {
        leave()
        void chunks.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}
