import { create } from 'zustand'
import type { Thread } from '../../electron/contract/chat.ts'
import type { Answering } from '../state/answering.ts'

const useChosen = create<{ name: string | null }>(() => ({ name: null }))

export function chooseModel(name: string): void {
  useChosen.setState({ name })
}

/** What answers: the model picked here, else the thread's last one, else the first there is. */
export function useChosenModel(all: readonly Answering[], thread: Thread | null): Answering | null {
  const { name } = useChosen()
  return all.find((d) => d.name === name) ?? all.find((d) => d.name === thread?.model) ?? all[0] ?? null
}
