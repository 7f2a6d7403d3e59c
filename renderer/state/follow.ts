/** Whether a growing view stays at its end. Pure: decided by where the view was and where it is. */

export interface ScrollPosition {
  offset: number
  size: number
  viewport: number
}

/** Within this distance of the end a downward scroll follows again. */
export const nearEndPx = 48

/**
 * Scrolling back by however little stops following, so that new text never pulls the reader forward; coming down to
 * the end starts it again. Only text that became shorter moves the view up without anybody scrolling.
 */
export function followsAfter(following: boolean, before: ScrollPosition, now: ScrollPosition): boolean {
  if (now.offset < before.offset - 0.5 && now.size >= before.size) return false
  return following || (now.offset > before.offset && now.size - now.offset - now.viewport < nearEndPx)
}
