/** The shape every language has: that of `en`, with the texts free. A missing or superfluous message does not compile. */
import type { en } from './en.ts'

type Shape<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { readonly [K in keyof T]: Shape<T[K]> }

export type Messages = Shape<typeof en>
