/** Functions that lan.test.ts calls on the desktop. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createConnection } from 'node:net'
import { homedir, networkInterfaces } from 'node:os'

export async function look(): Promise<{ home: string; addresses: string[] }> {
  return {
    home: homedir(),
    addresses: Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((entry) => entry.address)),
  }
}

export async function fail(): Promise<never> {
  throw Object.assign(new Error('on purpose'), { code: 'host_unreachable' })
}

export async function serveOnce(_: unknown, emit: (event: unknown) => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const server = createServer((_request, response) => {
      response.end('hello from the desktop', () => {
        server.close()
        server.closeAllConnections()
        resolve()
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      emit(typeof address === 'object' ? address?.port : null)
    })
  })
}

/** Median time in milliseconds to open a TCP connection to sshd: one round trip. */
export async function roundTrip(host: string): Promise<number> {
  const times: number[] = []
  for (let attempt = 0; attempt < 9; attempt++) {
    const started = performance.now()
    const socket = createConnection({ host, port: 22 })
    await once(socket, 'connect')
    times.push(performance.now() - started)
    socket.destroy()
  }
  return times.toSorted((a, b) => a - b)[4] ?? 0
}
