/** What closing the window and quitting mean, decided from the app's state. Pure. */
import type { AppState } from './contract/state.ts'

type Deployments = Pick<AppState, 'deployments'>

/** Deployments that somebody outside the window may be using; what starts by itself keeps nothing open. */
export function servingNames(state: Deployments): string[] {
  return state.deployments
    .filter((each) => !each.onDemand && (each.state === 'serving' || each.state === 'loading'))
    .map((each) => each.name)
}

/** Requests being answered or waiting, over all deployments. */
export function runningRequests(state: Deployments): number {
  return state.deployments.reduce((sum, each) => sum + each.stats.running + each.stats.waiting, 0)
}

/** The last window was closed: the app goes on in the tray only while a model is served. On macOS apps stay anyway. */
export function afterLastWindow(state: Deployments, platform: NodeJS.Platform): 'stay' | 'quit' {
  return platform === 'darwin' || servingNames(state).length > 0 ? 'stay' : 'quit'
}

/** Quitting is asked about only while answers would be cut off. Undefined: nothing to ask. */
export function quitQuestion(state: Deployments): string | undefined {
  const running = runningRequests(state)
  if (running === 0) return undefined
  const answers = running === 1 ? '1 answer is' : `${running} answers are`
  return `${answers} being written. Quitting Lanyard ends ${running === 1 ? 'it' : 'them'}.`
}
