import { expect, test } from 'vitest'
import { afterLastWindow, quitQuestion, servingNames } from './closing.ts'
import type { AppState } from './contract/state.ts'

type Deployment = AppState['deployments'][number]

function deployment(name: string, state: Deployment['state'], running = 0, waiting = 0): Deployment {
  return { name, state, stats: { running, waiting } } as Deployment
}

test('closing the last window quits unless a model is served or loading; on macOS apps stay', () => {
  const idle = { deployments: [deployment('a', 'failed')] }
  const serving = { deployments: [deployment('a', 'failed'), deployment('b', 'serving'), deployment('c', 'loading')] }
  expect(afterLastWindow(idle, 'linux')).toBe('quit')
  expect(afterLastWindow(idle, 'darwin')).toBe('stay')
  expect(afterLastWindow(serving, 'win32')).toBe('stay')
  expect(servingNames(serving)).toEqual(['b', 'c'])
})

test('quitting is asked about only while answers would be cut off', () => {
  expect(quitQuestion({ deployments: [deployment('a', 'serving')] })).toBeUndefined()
  expect(quitQuestion({ deployments: [deployment('a', 'serving', 1)] })).toBe(
    '1 answer is being written. Quitting Lanyard ends it.',
  )
  expect(quitQuestion({ deployments: [deployment('a', 'serving', 2), deployment('b', 'serving', 1, 4)] })).toBe(
    '7 answers are being written. Quitting Lanyard ends them.',
  )
})
