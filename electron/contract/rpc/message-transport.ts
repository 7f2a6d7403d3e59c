/**
 * Connections over things that carry whole messages: WebSocket (browser or `ws`), MessagePort (browser, Node or
 * Electron's MessagePortMain) and an in-memory pair for tests.
 */
import type { DataCallback, Disposable, Message, MessageConnection, MessageReader, MessageWriter } from 'vscode-jsonrpc'
import { AbstractMessageReader, AbstractMessageWriter, createMessageConnection } from 'vscode-jsonrpc'

/** No single message may be larger, in UTF-16 units of JSON (about bytes). */
export const maxMessageSize = 16 * 1024 * 1024

/** What a carrier of whole messages must do. */
export interface MessageChannelLike {
  post(text: string): void
  onMessage(listener: (text: string) => void): void
  onClose(listener: () => void): void
  close(): void
}

class ChannelReader extends AbstractMessageReader implements MessageReader {
  readonly #channel: MessageChannelLike
  constructor(channel: MessageChannelLike) {
    super()
    this.#channel = channel
  }

  listen(callback: DataCallback): Disposable {
    this.#channel.onClose(() => this.fireClose())
    this.#channel.onMessage((text) => {
      if (text.length > maxMessageSize) {
        this.fireError(new Error(`A message of ${text.length} characters is over the limit of ${maxMessageSize}.`))
        this.#channel.close()
        return
      }
      let message: Message
      try {
        message = JSON.parse(text) as Message
      } catch (error) {
        this.fireError(error instanceof Error ? error : new Error(String(error)))
        this.#channel.close()
        return
      }
      callback(message)
    })
    return { dispose: () => undefined }
  }
}

class ChannelWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #channel: MessageChannelLike
  constructor(channel: MessageChannelLike) {
    super()
    this.#channel = channel
    channel.onClose(() => this.fireClose())
  }

  async write(message: Message): Promise<void> {
    this.#channel.post(JSON.stringify(message))
  }

  end(): void {
    this.#channel.close()
  }
}

export function channelConnection(channel: MessageChannelLike): MessageConnection {
  return createMessageConnection(new ChannelReader(channel), new ChannelWriter(channel))
}

/** The part of WebSocket that browsers and the `ws` package share. */
export interface WebSocketLike {
  send(data: string): void
  close(code?: number): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close' | 'error', listener: () => void): void
}

export function webSocketChannel(socket: WebSocketLike): MessageChannelLike {
  return {
    post: (text) => socket.send(text),
    onMessage: (listener) => socket.addEventListener('message', (event) => listener(String(event.data))),
    onClose: (listener) => socket.addEventListener('close', listener),
    close: () => socket.close(),
  }
}

/** The part of MessagePort that browsers, Node and Electron share. */
export interface PortLike {
  postMessage(message: unknown): void
  close(): void
  start?(): void
  /** browsers and Node */
  addEventListener?(type: never, listener: never): void
  /** Electron's MessagePortMain */
  on?(type: never, listener: never): unknown
}

export function portChannel(port: PortLike): MessageChannelLike {
  const listen = (type: string, listener: (event: { data: unknown }) => void): void => {
    // Three libraries type their events three ways; all of them hand over an object with `data`.
    if (port.addEventListener) port.addEventListener(type as never, listener as never)
    else port.on?.(type as never, listener as never)
  }
  return {
    post: (text) => port.postMessage(text),
    onMessage: (listener) => {
      listen('message', (event) => listener(String(event.data)))
      port.start?.()
    },
    onClose: (listener) => listen('close', listener),
    close: () => port.close(),
  }
}

/** Two ends in one process, for tests: what one posts the other gets, in order, later. */
export function memoryPair(): [MessageChannelLike, MessageChannelLike] {
  interface End extends MessageChannelLike {
    take(text: string): void
    drop(): void
  }
  const make = (other: () => End): End => {
    const messages: ((text: string) => void)[] = []
    const closes: (() => void)[] = []
    const early: string[] = []
    let open = true
    return {
      post: (text) => {
        if (open) queueMicrotask(() => other().take(text))
      },
      onMessage: (listener) => {
        messages.push(listener)
        for (const text of early.splice(0)) listener(text)
      },
      onClose: (listener) => {
        closes.push(listener)
      },
      close: () => {
        if (open) {
          open = false
          for (const f of closes) f()
          other().drop()
        }
      },
      take: (text) => {
        if (messages.length === 0) early.push(text)
        else for (const f of messages) f(text)
      },
      drop: () => {
        if (open) {
          open = false
          for (const f of closes) f()
        }
      },
    }
  }
  const a: End = make(() => b)
  const b: End = make(() => a)
  return [a, b]
}
