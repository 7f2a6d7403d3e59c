import { expect, test } from 'vitest'
import type { AppState } from '../contract/state.ts'
import { fakeModel } from '../serving/fake-served.ts'
import { status } from './show.ts'

const info = {
  version: '1',
  pid: 1,
  home: '/h',
  uiUrl: null,
  openaiUrl: 'http://127.0.0.1:1/v1',
  node: '',
  startedAt: 0,
}
const guide: NonNullable<AppState['guide']> = {
  modelId: 'guide',
  modelName: 'Lanyard Guide',
  name: 'guide',
  use: 'on-demand',
}
function state(changes: Partial<AppState>): AppState {
  return {
    version: '1',
    machines: [],
    found: [],
    discovery: { on: false, note: '' },
    models: [{ ...fakeModel('Lanyard Guide'), id: 'guide', purpose: 'tiny' }],
    guide,
    deployments: [],
    jobs: [],
    questions: [],
    openai: { url: '', listening: true },
    ...changes,
  }
}

test('the status names the built-in model while it waits to be asked, and only then', () => {
  expect(status(info, state({}))).toMatch(/^guide +on demand +Lanyard Guide +- +tiny$/m)
  expect(status(info, state({ guide: { ...guide, use: 'off' } }))).not.toContain('Lanyard Guide')
  expect(status(info, state({ guide: { ...guide, use: 'removed' }, models: [] }))).not.toContain('on demand')
  const serving = {
    name: 'guide',
    state: 'serving',
    modelName: 'Lanyard Guide',
    stats: { tokensPerSecond: 2 },
    status: 'Serving on this',
  } as AppState['deployments'][number]
  expect(status(info, state({ deployments: [serving] }))).toMatch(
    /^guide +serving +Lanyard Guide +2\.0 +Serving on this$/m,
  )
})
