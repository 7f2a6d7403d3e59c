/** The whole vocabulary of every edge: a call answers once, a stream sends items until it ends or is cancelled. */
import type * as z from 'zod/mini'

type Schema = z.ZodMiniType

export interface Call<I extends Schema = Schema, O extends Schema = Schema> {
  kind: 'call'
  input: I
  output: O
}

export interface Stream<I extends Schema = Schema, T extends Schema = Schema, O extends Schema = Schema> {
  kind: 'stream'
  input: I
  item: T
  output: O
}

export type Contract = Record<string, Call | Stream>

export function call<I extends Schema, O extends Schema>(input: I, output: O): Call<I, O> {
  return { kind: 'call', input, output }
}

export function stream<I extends Schema, T extends Schema, O extends Schema>(
  input: I,
  item: T,
  output: O,
): Stream<I, T, O> {
  return { kind: 'stream', input, item, output }
}

export function defineContract<C extends Contract>(contract: C): C {
  return contract
}

export type CallName<C extends Contract> = { [K in keyof C]: C[K] extends Call ? K : never }[keyof C] & string
export type StreamName<C extends Contract> = { [K in keyof C]: C[K] extends Stream ? K : never }[keyof C] & string

/** What a caller passes (defaults may be left out) and what a handler gets (defaults filled in). */
export type InputOf<P extends Call | Stream> = z.input<P['input']>
export type ParsedOf<P extends Call | Stream> = z.output<P['input']>
export type OutputOf<P extends Call | Stream> = z.output<P['output']>
export type ItemOf<P> = P extends Stream<Schema, infer T, Schema> ? z.output<T> : never

export interface HandlerContext {
  /** aborted when the caller cancels or its connection closes */
  signal: AbortSignal
}

/** One handler per procedure of the contract; a stream's handler calls `send` for every item. */
export type Handlers<C extends Contract> = {
  [K in keyof C]: C[K] extends Stream
    ? (input: ParsedOf<C[K]>, send: (item: ItemOf<C[K]>) => void, context: HandlerContext) => Promise<OutputOf<C[K]>>
    : (input: ParsedOf<C[K]>, context: HandlerContext) => Promise<OutputOf<C[K]>> | OutputOf<C[K]>
}

export interface Client<C extends Contract> {
  call<K extends CallName<C>>(
    name: K,
    input: InputOf<C[K]>,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<OutputOf<C[K]>>
  /** Resolves when the stream ends; rejects when it fails or the connection closes. */
  stream<K extends StreamName<C>>(
    name: K,
    input: InputOf<C[K]>,
    onItem: (item: ItemOf<C[K]>) => void,
    options?: { signal?: AbortSignal },
  ): Promise<OutputOf<C[K]>>
  close(): void
  /** resolves when the connection is gone, whoever closed it */
  readonly closed: Promise<void>
}
