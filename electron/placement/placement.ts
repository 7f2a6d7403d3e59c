/** Placement: which devices, which split, what it needs in memory, how fast it should be, and why. Pure. */
export { largestRemainder } from './apportion.ts'
export { planDevices, type PlanDevice } from './devices.ts'
export type { PlanModel, WeightSizes } from './model.ts'
export { makePlan, type PlanInput, requireFit } from './plan.ts'
export type { PlanLink } from './speed.ts'
export { splitsOf } from './split.ts'
