/**
 * Packed weights: what the engine makes of a rank's tensors for this machine, kept beside the shards so that the next start
 * maps it instead of packing again. Never needed, so it is the first to go when the disk fills up.
 *
 * KEY.WEIGHTS.packed belongs to the shard KEY and goes with it. A model that is read where it lies has no shard: its files
 * are here-HASH.WEIGHTS.packed, and here-HASH.WEIGHTS.sources names the model's files; it goes when one of those is gone.
 * The engine writes them and checks every byte of them; the key within tells it whether one still fits.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type EngineSpec, extentsOf } from '../../contract/engine.ts'

const extension = '.packed'
const sourcesExtension = '.sources'
/** Kept this long without being used. */
const keptMs = 30 * 24 * 3600 * 1000
/** Part of the disk that packed weights leave free for everything else. */
const leftFree = 0.05

interface PrepackedWeights {
  name: string
  bytes: number
  usedAt: number
}

/** Of a shard; of any in the folder when no key is given. The longest unused first. */
export async function listPrepacked(folder: string, key?: string): Promise<PrepackedWeights[]> {
  const names = (await readdir(folder)).filter(
    (name) => name.endsWith(extension) && (key === undefined || (name.startsWith(`${key}.`) && ownerOf(name) === key)),
  )
  const files = await Promise.all(
    names.map(async (name) => {
      const facts = await stat(path.join(folder, name)).catch(() => null)
      return facts ? [{ name, bytes: facts.size, usedAt: facts.mtimeMs }] : [] // gone in the meantime
    }),
  )
  return files.flat().toSorted((a, b) => a.usedAt - b.usedAt)
}

/** KEY of KEY.WEIGHTS.packed. */
function ownerOf(name: string): string {
  const stem = name.slice(0, -extension.length)
  return stem.slice(0, stem.lastIndexOf('.'))
}

/** A running rank keeps what it has mapped; the disk gets it back when the rank ends. */
async function removePrepacked(folder: string, name: string): Promise<void> {
  const stem = path.join(folder, name.slice(0, -extension.length))
  for (const end of [extension, `${extension}.partial`, sourcesExtension]) await rm(stem + end, { force: true })
}

/** Removes what belongs to a shard. */
export async function removePrepackedOf(folder: string, key: string): Promise<void> {
  for (const { name } of await listPrepacked(folder, key)) await removePrepacked(folder, name)
  const partials = (await readdir(folder)).filter((name) => name.endsWith(`${extension}.partial`))
  for (const name of partials) {
    if (ownerOf(name.slice(0, -'.partial'.length)) === key) await rm(path.join(folder, name), { force: true })
  }
}

async function freeBytes(folder: string): Promise<number> {
  const facts = await statfs(folder)
  return facts.bavail * facts.bsize
}

/** Gives up packed weights, the longest unused first, until `bytes` are free; what `keep` names stays. */
export async function makeRoom(folder: string, bytes: number, keep?: string): Promise<void> {
  for (const { name } of await listPrepacked(folder)) {
    if ((await freeBytes(folder)) >= bytes) return
    if (name !== keep) await removePrepacked(folder, name)
  }
}

/** Removes what nobody can use any more, or has used for long. */
export async function tidyPrepacked(folder: string, now = Date.now()): Promise<void> {
  for (const { name, usedAt } of await listPrepacked(folder)) {
    if (now - usedAt > keptMs) await removePrepacked(folder, name)
  }
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith(sourcesExtension))) {
    const sources = await readFile(path.join(folder, name), 'utf8').then(
      (text) => JSON.parse(text) as unknown,
      () => null,
    )
    const files = Array.isArray(sources) ? sources.map(String) : []
    const there = await Promise.all(files.map((file) => stat(file).catch(() => null)))
    if (there.length === 0 || there.includes(null)) {
      await removePrepacked(folder, `${name.slice(0, -sourcesExtension.length)}${extension}`)
    }
  }
}

const hashOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/**
 * Where the packed weights of this rank are or shall be, and their key: the same tensors of the same files, turned into the
 * same type. Marks them as used, and makes room for new ones. Undefined where a source cannot be read (loading will say why)
 * or the device keeps no packed weights.
 */
export async function prepackedPlan(folder: string, spec: EngineSpec): Promise<EngineSpec['prepacked']> {
  if (spec.device.kind !== 'cpu') return undefined
  const sources = [...new Set(spec.tensors.flatMap((tensor) => extentsOf(tensor).map(({ file }) => file)))].toSorted()
  const facts = await Promise.all(sources.map((file) => stat(file).catch(() => null)))
  if (sources.length === 0 || facts.includes(null)) return undefined
  const shard = sources.length === 1 && path.dirname(sources[0]!) === folder ? path.basename(sources[0]!) : null
  // A shard's name stands for its content, and its time is when it was last used.
  const identity = shard ? [shard, facts[0]!.size] : facts.map((file) => [file!.size, file!.mtimeMs])
  const stem = shard ? shard.replace(/\.safetensors$/, '') : `here-${hashOf(spec.tensors).slice(0, 32)}`
  const name = `${stem}.${spec.weights}${extension}`
  const file = path.join(folder, name)
  const key = hashOf([spec.weights, identity, spec.tensors])
  await tidyPrepacked(folder)
  if (!shard)
    await writeFile(path.join(folder, `${stem}.${spec.weights}${sourcesExtension}`), JSON.stringify(sources), {
      mode: 0o600,
    })
  const now = new Date()
  await utimes(file, now, now).catch(async () => {
    const disk = await statfs(folder)
    await makeRoom(folder, packedBytes(spec) + leftFree * disk.blocks * disk.bsize, name)
  })
  return { file, key }
}

/** About what they take on the disk. */
function packedBytes(spec: EngineSpec): number {
  const each: Partial<Record<EngineSpec['weights'], number>> = {
    f32: 4,
    bf16: 2,
    int8: 1,
    int4: 0.57,
    'int4:64': 0.54,
    'int4:128': 0.52,
  }
  return spec.tensors.reduce((sum, { rows, cols, dtype, role }) => {
    const stored = dtype === 'f32' ? 4 : 2
    return role === 'embed' ? sum : sum + rows * cols * (each[spec.weights] ?? stored)
  }, 0)
}
