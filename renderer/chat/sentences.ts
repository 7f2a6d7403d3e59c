/** Where the last whole sentence of `text` ends; 0 when there is none. */
export function sentenceEnd(text: string): number {
  const match = /^[\s\S]*(?:[.!?…](?=\s)|[。！？\n])/.exec(text)
  return match ? match[0].length : 0
}
