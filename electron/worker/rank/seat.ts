/** The one listener of a stream. A new one takes the place of the old, whose connection may be dead without saying so. */
import { LanyardError } from '../../contract/errors.ts'

export interface Seat<T> {
  /** Resolves at the end of the stream or when the signal aborts; rejects with `cancelled` when another takes over. */
  take(send: (item: T) => void, signal: AbortSignal): Promise<void>
  send(item: T): void
  /** Ends the stream for the present listener, with an error if there is one. */
  end(error?: Error): void
}

export function createSeat<T>(): Seat<T> {
  let holder: { send(item: T): void; resolve(): void; reject(error: Error): void } | null = null
  return {
    take(send, signal) {
      holder?.reject(new LanyardError('cancelled', 'Another connection took over this stream.'))
      return new Promise<void>((resolve, reject) => {
        const own = { send, resolve, reject }
        holder = own
        const leave = (): void => {
          if (holder === own) holder = null
          resolve()
        }
        if (signal.aborted) leave()
        else signal.addEventListener('abort', leave, { once: true })
      })
    },
    send: (item) => holder?.send(item),
    end(error) {
      const present = holder
      holder = null
      if (error) present?.reject(error)
      else present?.resolve()
    },
  }
}
