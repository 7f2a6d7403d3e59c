import fc from 'fast-check'
import { produceWithPatches } from 'immer'
import { describe, expect, test } from 'vitest'
import type { AppState, StateEvent } from '../../electron/contract/state.ts'
import { applyEvent, emptyLiveState } from './live-state.ts'
import type { LiveState } from './live-state.ts'

const start: AppState = {
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
const whole = (revision: number, state = start): StateEvent => ({ kind: 'whole', revision, state })
const setVersion = (revision: number, version: string): StateEvent => ({
  kind: 'change',
  revision,
  patches: [{ op: 'replace', path: ['version'], value: version }],
})

function applied(live: LiveState | 'gap'): LiveState {
  if (live === 'gap') throw new Error('there was a gap')
  return live
}

describe('the live state', () => {
  test('starts with the whole and follows changes', () => {
    const live = applied(applyEvent(applied(applyEvent(emptyLiveState, whole(4))), setVersion(5, '2')))
    expect(live).toEqual({ revision: 5, state: { ...start, version: '2' } })
  })

  test('a missing revision is a gap, and so is a change before any whole', () => {
    expect(applyEvent(emptyLiveState, setVersion(1, '2'))).toBe('gap')
    expect(applyEvent(applied(applyEvent(emptyLiveState, whole(4))), setVersion(6, '2'))).toBe('gap')
  })

  test('a change that was applied already is ignored', () => {
    const live = applied(applyEvent(emptyLiveState, whole(4)))
    expect(applyEvent(live, setVersion(4, 'old'))).toBe(live)
  })

  test('a whole replaces everything, also with a lower revision: the app was started again', () => {
    const live = applied(
      applyEvent(applied(applyEvent(emptyLiveState, whole(9))), whole(1, { ...start, version: '3' })),
    )
    expect(live).toEqual({ revision: 1, state: { ...start, version: '3' } })
  })

  test('any edits that travel as patches give the same state on this side', () => {
    const edit = fc.record({ name: fc.string({ maxLength: 5 }), at: fc.nat(4), remove: fc.boolean() })
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 20 }), (edits) => {
        let there = start
        let here = applied(applyEvent(emptyLiveState, whole(0)))
        edits.forEach(({ name, at, remove }, index) => {
          const [next, patches] = produceWithPatches(there, (draft) => {
            if (remove) draft.found.splice(at, 1)
            else draft.found.push({ id: name, name, host: name, port: 22, user: null, via: 'scan', detail: '', at })
            draft.discovery.note = `${name}${index}`
          })
          there = next
          // As it arrives: through JSON.
          const event = JSON.parse(JSON.stringify({ kind: 'change', revision: index + 1, patches })) as StateEvent
          here = applied(applyEvent(here, event))
        })
        expect(here.state).toEqual(there)
      }),
      { numRuns: 100 },
    )
  })
})
