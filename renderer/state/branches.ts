/** A thread is a tree of messages: an edit or a second answer is a branch. Pure functions over its messages. */
import type { Message } from '../../electron/contract/chat.ts'

/** From the first message to `leafId`, in order. A missing leaf gives the newest branch. */
export function pathTo(messages: readonly Message[], leafId: string | null): Message[] {
  const byId = new Map(messages.map((m) => [m.id, m]))
  let at = leafId === null ? undefined : byId.get(leafId)
  if (!at) {
    const leaf = messages.reduce<Message | undefined>((a, b) => (a && a.createdAt > b.createdAt ? a : b), undefined)
    at = leaf
  }
  const path: Message[] = []
  const seen = new Set<string>()
  while (at && !seen.has(at.id)) {
    seen.add(at.id)
    path.push(at)
    at = at.parentId === null ? undefined : byId.get(at.parentId)
  }
  return path.reverse()
}

/** The messages that stand at the same place as `message` (itself included), oldest first. */
export function siblingsOf(messages: readonly Message[], message: Message): Message[] {
  return messages
    .filter((m) => m.parentId === message.parentId && m.role === message.role)
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
}

/** The newest message reachable below `id` by always taking the newest child. */
export function leafBelow(messages: readonly Message[], id: string): string {
  let at = id
  const seen = new Set<string>()
  while (!seen.has(at)) {
    seen.add(at)
    const child = messages
      .filter((m) => m.parentId === at)
      .reduce<Message | undefined>((a, b) => (a && a.createdAt >= b.createdAt ? a : b), undefined)
    if (!child) return at
    at = child.id
  }
  return at
}
