/** Ends a worker that nobody has been attached to for a while. */

export interface Lease {
  /** somebody attached; dispose when they left */
  hold(): Disposable
  cancel(): void
}

/**
 * Calls `onExpire` once, after `ms` without a holder; after `firstMs` when there has been none at all: whoever starts a
 * worker attaches at once, so one that nobody comes to was started in vain.
 */
export function createLease(ms: number, onExpire: () => void, firstMs: number = ms): Lease {
  let holders = 0
  let over = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const arm = (delay: number): void => {
    if (!over) timer = setTimeout(onExpire, delay)
  }
  arm(firstMs)
  return {
    hold() {
      clearTimeout(timer)
      holders++
      let left = false
      return {
        [Symbol.dispose]() {
          if (left) return
          left = true
          if (--holders === 0) arm(ms)
        },
      }
    },
    cancel() {
      over = true
      clearTimeout(timer)
    },
  }
}
