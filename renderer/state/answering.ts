/** What a chat or a client can talk to: the deployments that serve, and the guide, which starts when it is asked. Pure. */
import type { Deployment } from '../../electron/contract/deployment.ts'
import type { AppState } from '../../electron/contract/state.ts'

export interface Answering {
  /** served model name */
  name: string
  modelId: string
  modelName: string
  /** comes with the app: a tiny model that answers questions about Lanyard */
  isGuide: boolean
  /** null while nobody has asked the guide yet */
  deployment: Deployment | null
}

/** What the user serves first, oldest first; the guide last, so that it is never in the way of a real model. */
export function answering({ deployments, guide }: Pick<AppState, 'deployments' | 'guide'>): Answering[] {
  const all = deployments
    .filter((d) => d.state === 'serving')
    .map((d): Answering => ({
      name: d.name,
      modelId: d.modelId,
      modelName: d.modelName,
      isGuide: d.modelId === guide?.modelId,
      deployment: d,
    }))
  const taken = deployments.some((d) => d.name === guide?.name && !d.onDemand && d.state !== 'failed')
  const serves = all.some((each) => each.name === guide?.name)
  if (guide?.use === 'on-demand' && !taken && !serves)
    all.push({ name: guide.name, modelId: guide.modelId, modelName: guide.modelName, isGuide: true, deployment: null })
  return all.toSorted((a, b) => Number(a.isGuide) - Number(b.isGuide))
}
