/** Text typed but not sent, and the parameters chosen per thread: they survive a restart of the window. */
import type { ChatParameters } from '../../electron/contract/chat.ts'
import { chatParameters } from '../../electron/contract/chat.ts'

const draftKey = (threadId: string): string => `lanyard.draft.${threadId}`
const parametersKey = 'lanyard.parameters'

export function readDraft(threadId: string): string {
  return localStorage.getItem(draftKey(threadId)) ?? ''
}

export function writeDraft(threadId: string, text: string): void {
  if (text === '') localStorage.removeItem(draftKey(threadId))
  else localStorage.setItem(draftKey(threadId), text)
}

export function readParameters(): ChatParameters {
  try {
    const stored = chatParameters.safeParse(JSON.parse(localStorage.getItem(parametersKey) ?? '{}'))
    return stored.success ? stored.data : {}
  } catch {
    return {}
  }
}

export function writeParameters(parameters: ChatParameters): void {
  localStorage.setItem(parametersKey, JSON.stringify(parameters))
}
