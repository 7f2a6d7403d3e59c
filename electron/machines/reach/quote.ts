/** Command lines for a login shell we do not know (sh, bash, zsh, fish): words arrive exactly as given. */

const harmless = /^[A-Za-z0-9_/][A-Za-z0-9_@:,./-]*$/

/**
 * One word, quoted. Backslashes and single quotes stay outside of the quotes, because fish reads them inside of them.
 * Throws for NUL, which no command line can carry.
 */
export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new TypeError('a command line cannot hold a NUL character')
  if (harmless.test(word)) return word
  if (word === '') return "''"
  return word
    .split(/([\\']+)/)
    .map((part, index) =>
      index % 2 === 1 ? part.replace(/[\\']/g, (character) => `\\${character}`) : part === '' ? '' : `'${part}'`,
    )
    .join('')
}

/** A whole command line. */
export function quoteArgv(argv: readonly string[]): string {
  if (argv.length === 0) throw new TypeError('a command line needs a program')
  return argv.map(quoteWord).join(' ')
}
