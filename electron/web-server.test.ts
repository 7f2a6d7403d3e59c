import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startWebServer } from './web-server.ts'
import type { WebServer } from './web-server.ts'

let folder: string
let server: WebServer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lanyard-web-'))
  await mkdir(join(folder, 'ui'))
  await writeFile(join(folder, 'ui', 'index.html'), '<h1>Lanyard</h1>')
  await writeFile(join(folder, 'secret'), 'secret')
  await symlink(join(folder, 'secret'), join(folder, 'ui', 'link.js'))
  server = await startWebServer({
    port: 0,
    renderer: join(folder, 'ui'),
    token: 'the-token',
    onClient: () => undefined,
  })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

const get = (
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> =>
  new Promise((resolve, reject) => {
    httpRequest({ host: '127.0.0.1', port: server.port, path, headers }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
      .on('error', reject)
      .end()
  })
const upgrade = (headers: Record<string, string>): Promise<number> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/rpc`, { headers })
    socket.on('open', () => {
      socket.close()
      resolve(101)
    })
    socket.on('unexpected-response', (_request, response) => {
      response.destroy()
      resolve(response.statusCode ?? 0)
    })
  })

test('a code signs one browser in, once, and does not stay in the address', async () => {
  const url = new URL(server.pairingUrl()!)
  expect((await get('/session')).status).toBe(401)
  const first = await get(url.pathname + url.search)
  expect(first).toMatchObject({ status: 303, headers: { location: '/' } })
  const cookie = String(first.headers['set-cookie'])
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/)
  const session = cookie.split(';')[0]!
  expect((await get('/session', { cookie: session })).status).toBe(204)
  expect(await upgrade({ cookie: session })).toBe(101)
  expect((await get(url.pathname + url.search)).headers['set-cookie']).toBeUndefined()
})

test('pairing by pasting takes the whole address or the code, and refuses a wrong one', async () => {
  const pair = (code: string) =>
    fetch(`http://127.0.0.1:${server.port}/pair`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
    })
  expect((await pair(server.pairingUrl()!)).status).toBe(204)
  expect((await pair('guess')).status).toBe(401)
})

test('the command line gets in with its token, nobody without', async () => {
  expect(await upgrade({ authorization: 'Bearer the-token' })).toBe(101)
  expect(await upgrade({ authorization: 'Bearer the-tokem' })).toBe(401)
  expect(await upgrade({})).toBe(401)
})

test('a foreign page or a rebound name is refused, for files and for the socket', async () => {
  expect((await get('/', { host: `evil.example:${server.port}` })).status).toBe(403)
  expect((await get('/', { origin: 'http://evil.example' })).status).toBe(403)
  expect(await upgrade({ authorization: 'Bearer the-token', origin: 'http://evil.example' })).toBe(403)
  expect(await upgrade({ authorization: 'Bearer the-token', host: 'evil.example' })).toBe(403)
})

test('only files inside the renderer folder are served, under a strict policy', async () => {
  const index = await get('/')
  expect(index).toMatchObject({ status: 200, body: '<h1>Lanyard</h1>' })
  expect(String(index.headers['content-security-policy'])).toContain("default-src 'none'")
  for (const path of ['/../secret', '/%2e%2e/secret', '/link.js', '/nothing', '/%00'])
    expect((await get(path)).status).toBe(404)
})

test('a port that is taken says so', async () => {
  await expect(
    startWebServer({ port: server.port, renderer: null, token: 't', onClient: () => undefined }),
  ).rejects.toMatchObject({ code: 'port_in_use' })
})
