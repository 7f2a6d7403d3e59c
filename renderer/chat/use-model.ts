import { create } from 'zustand'
import type { Thread } from '../../electron/contract/chat.ts'
import type { Deployment } from '../../electron/contract/deployment.ts'

const useChosen = create<{ name: string | null }>(() => ({ name: null }))

export function chooseModel(name: string): void {
  useChosen.setState({ name })
}

/** The deployment that answers: the one picked here, else the thread's last one, else the first that serves. */
export function useChosenModel(serving: readonly Deployment[], thread: Thread | null): Deployment | null {
  const { name } = useChosen()
  return serving.find((d) => d.name === name) ?? serving.find((d) => d.name === thread?.model) ?? serving[0] ?? null
}
