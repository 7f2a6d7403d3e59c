import { applyPatches } from 'immer'
import { expect, test } from 'vitest'
import { createLiveState } from './app-state.ts'
import type { AppState, StateEvent } from './contract/state.ts'

const empty: AppState = {
  version: '1',
  machines: [],
  found: [],
  discovery: { on: false, note: '' },
  models: [],
  guide: null,
  deployments: [],
  jobs: [],
  questions: [],
  openai: { url: '', listening: false },
}

test('a client that applies every change ends with the state the app has', async () => {
  const live = createLiveState(empty)
  const stop = new AbortController()
  let seen: AppState | undefined
  let revision = -1
  const watching = live.watch((event: StateEvent) => {
    expect(event.revision).toBe(revision + 1)
    revision = event.revision
    seen = event.kind === 'whole' ? event.state : applyPatches(seen!, event.patches as never)
    if (seen?.openai.url === 'end') stop.abort()
  }, stop.signal)
  for (let i = 0; i < 100; i++)
    live.update((draft) => {
      draft.found.push({ id: `${i}`, name: '', host: '', port: 22, user: null, via: 'scan', detail: '', at: i })
    })
  live.update((draft) => {
    draft.found.splice(10, 50)
  })
  live.update((draft) => {
    draft.openai.url = 'end'
  })
  await watching
  expect(seen).toEqual(live.get())
  expect(revision).toBeLessThan(5)
})

test('an update that changes nothing sends nothing, and waiting for a state resolves at once when it holds', async () => {
  const live = createLiveState(empty)
  const stop = new AbortController()
  const events: StateEvent[] = []
  const watching = live.watch((event) => events.push(event), stop.signal)
  live.update((draft) => {
    draft.version = '1'
  })
  expect((await live.until((state) => state.version === '1')).version).toBe('1')
  stop.abort()
  await watching
  expect(events).toHaveLength(1)
})
