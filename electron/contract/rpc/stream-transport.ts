/** Connections over a byte stream (SSH channel, child process, unix socket): Content-Length frames. Node only. */
import type { Readable, Writable } from 'node:stream'
import type { MessageConnection } from 'vscode-jsonrpc/node'
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node'

export function streamConnection(input: Readable, output: Writable): MessageConnection {
  const connection = createMessageConnection(new StreamMessageReader(input), new StreamMessageWriter(output))
  // A write after the other side is gone must end the connection, not the process.
  output.on('error', () => connection.dispose())
  return connection
}
