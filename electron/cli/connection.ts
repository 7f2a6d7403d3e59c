/** The command line's connection to the running app, found through control.json. */
import { WebSocket } from 'ws'
import 'vscode-jsonrpc/node'
import { appContract } from '../contract/app.ts'
import type { AppContract } from '../contract/app.ts'
import { LanyardError } from '../contract/errors.ts'
import type { Client } from '../contract/rpc/contract.ts'
import { channelConnection, webSocketChannel } from '../contract/rpc/message-transport.ts'
import { connect } from '../contract/rpc/peer.ts'
import type { AppState } from '../contract/state.ts'
import { readControl } from '../store/control.ts'

/** Throws `not_running` when no app answers for this home folder. */
export async function connectToApp(home: string): Promise<Client<AppContract> & Disposable> {
  const control = readControl(home)
  const notRunning = (cause?: unknown): LanyardError =>
    new LanyardError(
      'not_running',
      `Lanyard is not running (${home}).`,
      'Start it with npm start, or lanyard start --headless.',
      { cause },
    )
  if (!control) throw notRunning()
  const socket = new WebSocket(control.rpcUrl, { headers: { authorization: `Bearer ${control.token}` } })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve())
    socket.once('error', (error) => reject(notRunning(error)))
  })
  const client = connect(channelConnection(webSocketChannel(socket)), appContract)
  return { ...client, [Symbol.dispose]: () => client.close() }
}

/** The state as it is now. */
export async function currentState(client: Client<AppContract>): Promise<AppState> {
  const stop = new AbortController()
  let state: AppState | undefined
  await client
    .stream(
      'state.watch',
      {},
      (event) => {
        if (event.kind === 'whole') state = event.state
        stop.abort()
      },
      { signal: stop.signal },
    )
    .catch((error: unknown) => {
      if (!state) throw error
    })
  if (!state) throw new LanyardError('internal', 'The app sent no state.')
  return state
}
