/** From a request to a plan: finds the model and the devices it names and asks `placement/`. */
import type { LiveState } from './app-state.ts'
import type { Model } from './contract/model.ts'
import type { Plan, PlanRequest } from './contract/plan.ts'
import type { ModelLibrary } from './model-library.ts'
import type { SplittableModel } from './models/models.ts'
import { makePlan, planDevices } from './placement/placement.ts'

/** The CUDA backend is not part of the native engine yet. */
const cuda = false

export interface PlannerDeps {
  state: LiveState
  library: ModelLibrary
}

export interface Planner {
  prepare(request: PlanRequest): Promise<{ plan: Plan; model: Model; splittable: SplittableModel }>
}

export function createPlanner({ state, library }: PlannerDeps): Planner {
  return {
    async prepare(request) {
      const named = library.find(request.model)
      const opened = await library.open(named)
      const model = library.find(named.id)
      const devices = planDevices(state.get().machines, request.on, { cuda })
      const plan = makePlan({
        model: { id: model.id, name: model.name, ...opened.plannable },
        devices,
        shares: request.shares,
        context: request.context,
        maxSequences: request.maxSequences,
        weights: request.weights,
        kvDtype: request.kvDtype,
        wire: request.wire,
      })
      return { plan, model, splittable: opened.splittable(plan.context) }
    },
  }
}
