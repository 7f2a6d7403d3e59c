/** Requests for the simulated model, and a scheduler with room for them. */
import { defaultSampling } from '../../contract/engine.ts'
import type { GenerateRequest } from '../../contract/worker.ts'
import type { SchedulerOptions } from '../scheduler/scheduler.ts'
import { simulatedVocab } from './simulated-model.ts'

export const roomy: SchedulerOptions = {
  blocks: 64,
  blockSize: 4,
  maxStepTokens: 16,
  maxSequences: 8,
  context: 200,
  vocab: simulatedVocab,
  ntkLength: 0,
  speculate: false,
}

/** Greedy, eight tokens. */
export function requestOf(requestId: string, prompt: number[], more: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    deploymentId: 'd',
    requestId,
    prompt,
    maxTokens: 8,
    stopIds: [],
    minTokens: 0,
    ignoreStop: false,
    sampling: { ...defaultSampling, temperature: 0 },
    ...more,
  }
}

/** A prompt; other salts give others. */
export const range = (length: number, salt = 0): number[] =>
  Array.from({ length }, (_, n) => (n * 7 + salt) % simulatedVocab)
