/** Samples of machines and deployments, one a second, the last 15 minutes kept; and the log. */
export { createHistory } from './history.ts'
export type { History } from './history.ts'
export { createLog } from './log.ts'
export type { Log } from './log.ts'
