/**
 * JSON-RPC 2.0 over any `vscode-jsonrpc` connection. A call is a request. A stream is a request whose items
 * travel as `$/progress` under the token in its params; its response ends it, `$/cancelRequest` stops it.
 * Input and items are validated where they arrive; unknown methods are refused.
 */
import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc'
import {
  CancellationTokenSource,
  ConnectionErrors,
  ErrorCodes,
  NotificationType,
  RequestType,
  ResponseError,
} from 'vscode-jsonrpc'
import { errorOf, LanyardError, problem, problemOf } from '../errors.ts'
import type { Problem } from '../errors.ts'
import type { Client, Contract, Handlers } from './contract.ts'

/** Application errors carry their Problem as `data` under this JSON-RPC code. */
const applicationError = -32000

interface Params {
  input: unknown
  token?: string
}
interface Progress {
  token: string
  item: unknown
}
const progress = new NotificationType<Progress>('$/lanyardItem')

type AnyHandler = (...args: unknown[]) => unknown

function toResponseError(error: unknown): ResponseError<Problem> {
  const data = problemOf(error)
  return new ResponseError(applicationError, data.message, data)
}

function fromResponseError(error: unknown): LanyardError {
  if (error instanceof LanyardError) return error
  if (error instanceof ResponseError) {
    const data = problem.safeParse(error.data)
    if (data.success) return errorOf(data.data)
    if (error.code === ErrorCodes.PendingResponseRejected) {
      return new LanyardError('app_away', 'The connection was closed before the answer came.', 'Start Lanyard again.')
    }
    if (error.code === ErrorCodes.MethodNotFound) return new LanyardError('unknown_method', error.message)
    return new LanyardError('internal', error.message, '', { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new LanyardError('app_away', `The connection was closed: ${message}`, 'Start Lanyard again.', { cause: error })
}

function signalOf(token: CancellationToken, closed: AbortSignal): AbortSignal {
  const controller = new AbortController()
  if (token.isCancellationRequested || closed.aborted) controller.abort()
  token.onCancellationRequested(() => controller.abort())
  closed.addEventListener('abort', () => controller.abort(), { once: true })
  return controller.signal
}

/** Answers the contract's procedures on `connection` until it closes. Resolves then. */
export function serve<C extends Contract>(
  connection: MessageConnection,
  contract: C,
  handlers: Handlers<C>,
): Promise<void> {
  const gone = new AbortController()
  connection.onRequest(async (method: string, raw: unknown, token: CancellationToken) => {
    if (!Object.hasOwn(contract, method))
      return new ResponseError(ErrorCodes.MethodNotFound, `There is no method ${method}.`)
    const procedure = contract[method]!
    const handler = handlers[method] as AnyHandler
    // vscode-jsonrpc hands over positional parameters; ours is always one object.
    const params = (Array.isArray(raw) ? raw[0] : raw) as Params | undefined
    const input = procedure.input.safeParse(params?.input ?? {})
    if (!input.success) {
      const issue = input.error.issues[0]
      const where = issue ? issue.path.join('.') : ''
      return toResponseError(
        new LanyardError('bad_request', `${method}: ${where ? `${where}: ` : ''}${issue?.message ?? 'invalid input'}`),
      )
    }
    const signal = signalOf(token, gone.signal)
    try {
      if (procedure.kind === 'call') return (await handler(input.data, { signal })) ?? {}
      const streamToken = params?.token ?? ''
      const send = (item: unknown): void => {
        if (!signal.aborted)
          void connection.sendNotification(progress, { token: streamToken, item }).catch(() => undefined)
      }
      return (await handler(input.data, send, { signal })) ?? {}
    } catch (error) {
      return toResponseError(error)
    }
  })
  const closed = new Promise<void>((resolve) => {
    connection.onClose(() => {
      gone.abort()
      resolve()
    })
    connection.onDispose(() => {
      gone.abort()
      resolve()
    })
  })
  connection.onError(() => undefined)
  connection.listen()
  return closed
}

/** A client of the contract on `connection`. */
export function connect<C extends Contract>(connection: MessageConnection, contract: C): Client<C> {
  const listeners = new Map<string, (item: unknown) => void>()
  let next = 0
  let isClosed = false
  const closed = new Promise<void>((resolve) => {
    const end = (): void => {
      isClosed = true
      resolve()
    }
    connection.onClose(end)
    connection.onDispose(end)
  })
  connection.onNotification(progress, ({ token, item }) => listeners.get(token)?.(item))
  connection.onError(() => undefined)
  connection.listen()

  async function request(name: string, params: Params, signal?: AbortSignal, timeoutMs?: number): Promise<unknown> {
    if (isClosed) throw new LanyardError('app_away', 'The connection is closed.', 'Start Lanyard again.')
    using source = disposable(new CancellationTokenSource())
    const cancel = (): void => source.value.cancel()
    if (signal?.aborted) cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    let timer: ReturnType<typeof setTimeout> | undefined
    const racers: Promise<unknown>[] = [
      connection.sendRequest(new RequestType<Params, unknown, Problem>(name), params, source.value.token),
      closed.then(() => {
        throw new ResponseError(ErrorCodes.PendingResponseRejected, `${name} was not answered.`)
      }),
    ]
    if (timeoutMs !== undefined) {
      racers.push(
        new Promise((_, reject) => {
          timer = setTimeout(() => {
            cancel()
            reject(new LanyardError('timeout', `${name} was not answered within ${timeoutMs} ms.`))
          }, timeoutMs)
        }),
      )
    }
    try {
      return await Promise.race(racers)
    } catch (error) {
      throw fromResponseError(error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', cancel)
    }
  }

  return {
    async call(name, input, options = {}) {
      const result = await request(name, { input }, options.signal, options.timeoutMs)
      return contract[name]!.output.parse(result) as never
    },
    async stream(name, input, onItem, options = {}) {
      const procedure = contract[name]!
      if (procedure.kind !== 'stream') throw new LanyardError('unknown_method', `${name} is not a stream.`)
      const token = `${name}#${next++}`
      const stop = new AbortController()
      const broken = Promise.withResolvers<never>()
      // An item that is not what the contract says ends the stream: dropping it would leave the caller waiting in silence.
      listeners.set(token, (raw) => {
        const item = procedure.item.safeParse(raw)
        if (item.success) return onItem(item.data as never)
        const issue = item.error.issues[0]
        broken.reject(
          new LanyardError(
            'internal',
            `${name} sent something unexpected at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
            'Are both sides of the same version?',
          ),
        )
        stop.abort()
      })
      const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
      try {
        return procedure.output.parse(
          await Promise.race([request(name, { input, token }, signal), broken.promise]),
        ) as never
      } finally {
        listeners.delete(token)
      }
    },
    close() {
      isClosed = true
      try {
        connection.end()
      } catch (error) {
        if (
          !(
            error instanceof Error &&
            'code' in error &&
            (error.code === ConnectionErrors.Closed || error.code === ConnectionErrors.Disposed)
          )
        )
          throw error
      }
      connection.dispose()
    },
    closed,
  }
}

function disposable(source: CancellationTokenSource): { value: CancellationTokenSource } & Disposable {
  return { value: source, [Symbol.dispose]: () => source.dispose() }
}
