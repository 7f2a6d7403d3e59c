/**
 * The KV cache as numbered blocks: who uses them, which may be taken, and what the unused ones still hold. The bytes
 * are the engine's. Pure bookkeeping: ask "can", then "do".
 *
 * A block is free (no user; perhaps with known content, then it can be found again until it is taken for something
 * else), or used by one or more sequences. Only full blocks have known content and only those are shared, so a block
 * that is written to has exactly one user and nothing ever needs to be copied.
 *
 * Known content is found by the hash of its tokens and of what stands before it, and checked again against both: the
 * content before is named by a serial number that is given once, so equal (serial, tokens) means equal prefixes.
 */

export interface BlockPool {
  readonly total: number
  readonly blockSize: number
  /** without a user */
  readonly free: number
  /**
   * Blocks that hold tokens 0 …, as many as are known, `most` at most; with `serials` of their content. `root` stands
   * for what besides tokens decides the content (see `rootOf`). Changes nothing.
   */
  match(tokens: ArrayLike<number>, root: number, most: number): { blocks: number[]; serials: number[] }
  /** Are there `fresh` blocks to take besides these known ones? */
  canTake(known: readonly number[], fresh: number): boolean
  /** A user for the known blocks and for `fresh` more, whose content is lost. Throws where `canTake` is false. */
  take(known: readonly number[], fresh: number): number[]
  /** One user less for each; the last blocks of a sequence are the first to be taken again. */
  release(blocks: readonly number[]): void
  /** Says that a used block is full: `tokens` after the content `parent`. Returns the content's serial. */
  publish(block: number, parent: number, tokens: number[]): number
  /** A serial to start from, the same for the same key. */
  rootOf(key: number): number
  /** Throws when the counts do not agree with these users (each a sequence's blocks). */
  checkIntegrity(users: Iterable<readonly number[]>): void
}

interface Content {
  serial: number
  parent: number
  tokens: number[]
  hash: number
}

export function createBlockPool(options: { blocks: number; blockSize: number }): BlockPool {
  const { blocks: total, blockSize } = options
  const users = new Int32Array(total)
  const contents: (Content | null)[] = new Array<Content | null>(total).fill(null)
  const byHash = new Map<number, number>()
  const roots = new Map<number, number>()
  let nextSerial = 1
  let free = total

  // Free blocks in the order they are taken: a ring of links, `total` is its head.
  const next = new Int32Array(total + 1)
  const previous = new Int32Array(total + 1)
  for (let block = 0; block <= total; block++) {
    next[block] = (block + 1) % (total + 1)
    previous[block] = (block + total) % (total + 1)
  }
  const unlink = (block: number): void => {
    next[previous[block]!] = next[block]!
    previous[next[block]!] = previous[block]!
  }
  const linkAfter = (block: number, before: number): void => {
    next[block] = next[before]!
    previous[block] = before
    previous[next[before]!] = block
    next[before] = block
  }

  function find(parent: number, tokens: ArrayLike<number>, start: number): number | null {
    const block = byHash.get(hashOf(parent, tokens, start, blockSize))
    const content = block === undefined ? null : contents[block]
    if (!content || content.parent !== parent) return null
    for (let n = 0; n < blockSize; n++) if (content.tokens[n] !== tokens[start + n]) return null
    return block!
  }

  function forget(block: number): void {
    const content = contents[block]
    if (!content) return
    byHash.delete(content.hash)
    contents[block] = null
  }

  const pool: BlockPool = {
    total,
    blockSize,
    get free() {
      return free
    },

    match(tokens, root, most) {
      const blocks: number[] = []
      const serials: number[] = []
      let parent = root
      while (blocks.length < most && (blocks.length + 1) * blockSize <= tokens.length) {
        const block = find(parent, tokens, blocks.length * blockSize)
        if (block === null) break
        parent = contents[block]!.serial
        blocks.push(block)
        serials.push(parent)
      }
      return { blocks, serials }
    },

    canTake(known, fresh) {
      let needed = fresh
      for (const block of known) if (users[block] === 0) needed++
      return needed <= free
    },

    take(known, fresh) {
      if (!pool.canTake(known, fresh)) throw new Error(`${fresh} KV blocks are wanted, ${free} of ${total} are free.`)
      // The known ones first, so that none of them is taken as a fresh one.
      for (const block of known) {
        if (users[block]!++ === 0) {
          unlink(block)
          free--
        }
      }
      const taken = [...known]
      for (let n = 0; n < fresh; n++) {
        const block = next[total]!
        unlink(block)
        free--
        forget(block)
        users[block] = 1
        taken.push(block)
      }
      return taken
    },

    release(blocks) {
      for (const block of blocks.toReversed()) {
        if (users[block]! <= 0) throw new Error(`KV block ${block} has no user to release it.`)
        if (--users[block]! > 0) continue
        free++
        linkAfter(block, contents[block] ? previous[total]! : total)
      }
    },

    publish(block, parent, tokens) {
      if (users[block]! <= 0 || tokens.length !== blockSize)
        throw new Error(`KV block ${block} is not a full, used block.`)
      const known = find(parent, tokens, 0)
      if (known !== null) return contents[known]!.serial
      const content = { serial: nextSerial++, parent, tokens, hash: hashOf(parent, tokens, 0, blockSize) }
      // Another content with this hash keeps its place: this block is only not found again.
      if (!byHash.has(content.hash)) {
        forget(block)
        byHash.set(content.hash, block)
        contents[block] = content
      }
      return content.serial
    },

    rootOf(key) {
      const known = roots.get(key)
      if (known !== undefined) return known
      const root = nextSerial++
      roots.set(key, root)
      return root
    },

    checkIntegrity(sequences) {
      const counted = new Int32Array(total)
      for (const blocks of sequences) for (const block of blocks) counted[block]!++
      const fail = (what: string): never => {
        throw new Error(`KV blocks: ${what}`)
      }
      let unused = 0
      for (let block = 0; block < total; block++) {
        if (counted[block] !== users[block])
          fail(`block ${block} has ${users[block]} users, ${counted[block]} sequences hold it`)
        if (users[block] === 0) unused++
        if (users[block]! > 1 && !contents[block]) fail(`block ${block} is shared but not known to be full`)
        const content = contents[block]
        if (content && byHash.get(content.hash) !== block)
          fail(`the content of block ${block} is not found by its hash`)
      }
      let linked = 0
      for (let block = next[total]!; block !== total; block = next[block]!) {
        if (users[block] !== 0 || ++linked > total)
          fail(`block ${block} is in the free list but used, or the list is a loop`)
      }
      if (unused !== free || linked !== free)
        fail(`${unused} are unused, ${linked} are linked, ${free} are counted as free`)
      if (byHash.size !== contents.filter(Boolean).length) fail('the hash table does not match the contents')
    },
  }
  return pool
}

/** FNV-1a over 32-bit words with a final mix; 32 bits are enough because every hit is checked. */
function hashOf(parent: number, tokens: ArrayLike<number>, start: number, count: number): number {
  let hash = Math.imul(0x811c9dc5 ^ (parent | 0), 0x01000193) ^ Math.floor(parent / 2 ** 32)
  for (let n = 0; n < count; n++) {
    hash = Math.imul(hash ^ tokens[start + n]!, 0x01000193)
    hash ^= hash >>> 15
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
