import { expect, test } from 'vitest'
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { GuideState } from '../../electron/contract/state.ts'
import { answering } from './answering.ts'

const guide: GuideState = { modelId: 'guide', modelName: 'Lanyard Guide', name: 'guide', use: 'on-demand' }

function deployment(name: string, modelId: string, state: Deployment['state'], onDemand = false): Deployment {
  return { name, modelId, modelName: `model ${modelId}`, state, onDemand } as Deployment
}
const shown = (deployments: Deployment[], use: GuideState['use'] = 'on-demand') =>
  answering({ deployments, guide: { ...guide, use } }).map((each) => `${each.name} ${each.modelId}`)

test('the guide answers before anything is served, unless it was stopped, removed or is not there', () => {
  expect(answering({ deployments: [], guide })).toEqual([
    { name: 'guide', modelId: 'guide', modelName: 'Lanyard Guide', isGuide: true, deployment: null },
  ])
  expect(shown([], 'off')).toEqual([])
  expect(shown([], 'removed')).toEqual([])
  expect(answering({ deployments: [], guide: null })).toEqual([])
})

test('a served model comes before the guide, whether the guide has started or not', () => {
  expect(shown([deployment('qwen', 'q', 'serving')])).toEqual(['qwen q', 'guide guide'])
  expect(shown([deployment('guide', 'guide', 'serving', true), deployment('qwen', 'q', 'serving')])).toEqual([
    'qwen q',
    'guide guide',
  ])
})

test('one that is loading does not answer; the guide that has to start still does', () => {
  expect(shown([deployment('qwen', 'q', 'loading'), deployment('guide', 'guide', 'loading', true)])).toEqual([
    'guide guide',
  ])
})

test('what the user serves under the guide’s name is that, and the guide waits', () => {
  expect(shown([deployment('guide', 'q', 'serving')])).toEqual(['guide q'])
  expect(shown([deployment('guide', 'guide', 'loading')])).toEqual([])
  expect(shown([deployment('guide', 'q', 'failed')])).toEqual(['guide guide'])
})
