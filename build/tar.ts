/** A tar writer whose output depends on names, modes and contents only (no times, no owners): POSIX ustar. */

const block = 512

/** One regular file as a tar entry. `name` up to 100 bytes, relative; `mode` such as 0o755. */
export function tarEntry(name: string, mode: number, content: Buffer): Buffer {
  if (Buffer.byteLength(name) > 100)
    throw new RangeError(`The name "${name}" is longer than a tar header holds (100 bytes).`)
  const header = Buffer.alloc(block)
  const octal = (value: number, offset: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1')
  header.write(name, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(content.length, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  return Buffer.concat([header, content, Buffer.alloc(-content.length & (block - 1))])
}

/** What ends a tar file: two blocks of zeros. */
export const tarEnd: Buffer = Buffer.alloc(2 * block)
