/** A model folder or GGUF file, inspected and opened. Files stay where they are. */
import { createHash } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DecoderSpec, RankSplit, TensorSource } from '../contract/engine.ts'
import { LanyardError } from '../contract/errors.ts'
import type { Model } from '../contract/model.ts'
import { modelFacts, type ModelFacts } from './architecture/architecture.ts'
import { isObject, type JsonObject } from './architecture/config.ts'
import { type ChatMessage, chatTemplate, type ChatTemplate, type RenderOptions, templateOf } from './chat-template.ts'
import { type CallStyle, callStyleOf } from './call-style.ts'
import { checkTensors, loadPlan } from './load-plan.ts'
import { readGguf } from './gguf/gguf-files.ts'
import { heldBlockBytes } from './quantisation/packed.ts'
import { heldBytes, quantisationName, wholeColumns } from './quantisation/quantisation.ts'
import type { TensorHeaders } from './safetensors.ts'
import { readHeaders } from './safetensors-files.ts'
import { type Shard, shardOf } from './shard-files.ts'
import { type GenerationDefaults, generationDefaultsOf, stopIdsOf } from './stop-ids.ts'
import { huggingFaceTokenizer } from './tokenizer/hugging-face.ts'
import type { Tokenizer, TokenStream } from './tokenizer/tokenizer.ts'
import { loadTokenizer, tokenizerKind } from './tokenizer/tokenizer-files.ts'
import { type WeightSizes, weightSizes } from './weight-sizes.ts'

/** What the library keeps of a model, plus what only its files know. */
export interface ModelInfo extends Omit<Model, 'id' | 'addedAt'> {
  stopIds: number[]
  generation: GenerationDefaults
  /** weight files, config, tokenizer: names within the folder, bytes */
  files: { name: string; bytes: number }[]
}

/** Text side of a model: tokenizer, template, stop ids. */
export interface TextTools {
  readonly vocab: number
  readonly stopIds: readonly number[]
  readonly defaults: GenerationDefaults
  readonly tokenizer: Tokenizer
  /** how the model writes calls of functions; null where its template knows none */
  readonly callStyle: CallStyle | null
  /** prompt ids of a conversation, up to where the answer begins. Throws `bad_request` */
  chat(messages: readonly ChatMessage[], options?: RenderOptions): number[]
  render(messages: readonly ChatMessage[], options?: RenderOptions): string
  encode(text: string, special: boolean): number[]
  decode(ids: readonly number[], skipSpecial: boolean): string
  stream(skipSpecial: boolean): TokenStream
  specialId(text: string): number | null
  /** empty for special tokens */
  bytes(id: number): Uint8Array
}

/** A model ready to be split. */
export interface SplittableModel {
  decoder: DecoderSpec
  tensors(split: RankSplit, rank: number): TensorSource[]
  shard(tensors: TensorSource[]): Shard
  /** what each token stands for: bytes one after the other, and where each ends; no bytes for what is no text */
  tokens(): { bytes: Uint8Array; ends: Uint32Array }
}

export interface OpenModel {
  readonly info: ModelInfo
  readonly facts: ModelFacts
  readonly headers: TensorHeaders
  readonly text: TextTools
  /** what the planner needs beside id and name */
  readonly plannable: {
    decoder: DecoderSpec
    storedBytes: number
    lowBit: { bytes: number; group: number } | null
    sizesOf(split: RankSplit, rank: number): WeightSizes
  }
  /** @param context longest sequence of the deployment; absent: all the model allows */
  splittable(context?: number): SplittableModel
}

async function readObject(path: string): Promise<JsonObject> {
  let parsed: unknown
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new LanyardError('model_unreadable', `${path} is not JSON.`, 'Download or copy the file again.', { cause })
  }
  if (!isObject(parsed))
    throw new LanyardError(
      'model_unreadable',
      `${path} does not hold a JSON object.`,
      'Download or copy the file again.',
    )
  return parsed
}

/** `owner/name`, as the Hugging Face hub names models; a path on disk wins over it. */
const hubId = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/

async function folderOf(given: string): Promise<{ folder: string; names: string[] }> {
  const folder = resolve(given)
  const found = await stat(folder).catch(() => null)
  if (!found) {
    if (hubId.test(given)) {
      throw new LanyardError(
        'hub_unavailable',
        `There is no folder ${folder}, and downloading "${given}" from the hub is not possible yet.`,
        'Download the model yourself and add its folder by path.',
      )
    }
    throw new LanyardError(
      'model_missing',
      `There is no folder ${folder}.`,
      'Give the path of the folder that holds config.json.',
    )
  }
  if (!found.isDirectory()) {
    throw new LanyardError(
      'model_missing',
      `${folder} is a file, not a folder.`,
      'Give the path of the folder that holds config.json and the weights, or of a .gguf file.',
    )
  }
  const names = (await readdir(folder)).sort()
  if (!names.includes('config.json')) {
    throw new LanyardError(
      'model_missing',
      `${folder} has no config.json.`,
      'Give the path of the folder that holds config.json and the weights.',
    )
  }
  return { folder, names }
}

interface Read {
  /** the folder, or the GGUF file */
  path: string
  name: string
  config: JsonObject
  generation: JsonObject
  tokenizerConfig: JsonObject
  template: string | null
  tokenizer: Tokenizer
  facts: ModelFacts
  ropeFactors: number[] | null
  headers: TensorHeaders
  files: { name: string; bytes: number; modified: number }[]
}

async function templateIn(folder: string, names: string[], config: JsonObject): Promise<string | null> {
  if (names.includes('chat_template.jinja')) return await readFile(join(folder, 'chat_template.jinja'), 'utf8')
  return (
    templateOf(config) ??
    (names.includes('chat_template.json') ? templateOf(await readObject(join(folder, 'chat_template.json'))) : null)
  )
}

async function filesOf(folder: string, names: readonly string[]): Promise<Read['files']> {
  return await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(folder, name))
      return { name, bytes: size, modified: Math.trunc(mtimeMs) }
    }),
  )
}

/** A model that is one GGUF file, or several that say so in their names. */
async function readGgufModel(path: string): Promise<Read> {
  const file = resolve(path)
  const { config, tokenizer: own, headers, ropeFactors, files } = await readGguf(file)
  const tokenizer = huggingFaceTokenizer(own.json, own.config)
  const facts = modelFacts(config, { vocabUsed: tokenizer.size, ropeFactors: ropeFactors ?? undefined })
  checkTensors(facts, headers)
  return {
    path: file,
    name: basename(file).replace(/(-00001-of-\d{5})?\.gguf$/i, ''),
    config,
    generation: own.generation,
    tokenizerConfig: own.config,
    template: templateOf(own.config),
    tokenizer,
    facts,
    ropeFactors,
    headers,
    files: await filesOf(
      dirname(file),
      files.map((each) => basename(each)),
    ),
  }
}

async function readModel(path: string): Promise<Read> {
  if (/\.gguf$/i.test(path) && (await stat(path).catch(() => null))?.isFile()) return await readGgufModel(path)
  const { folder, names } = await folderOf(path)
  const optional = (name: string) =>
    names.includes(name) ? readObject(join(folder, name)) : Promise.resolve<JsonObject>({})
  const config = await readObject(join(folder, 'config.json'))
  // Before anything large is read: an architecture that is not known is refused by its name.
  modelFacts(config)
  const headers = await readHeaders(folder)
  tokenizerKind(names)
  const [generation, tokenizerConfig, tokenizer] = await Promise.all([
    optional('generation_config.json'),
    optional('tokenizer_config.json'),
    loadTokenizer(folder),
  ])
  const facts = modelFacts(config, { vocabUsed: tokenizer.size })
  checkTensors(facts, headers)
  const weights = new Set([...headers.values()].map((header) => basename(header.file)))
  const wanted = names.filter((name) => weights.has(name) || /\.(json|tiktoken|jinja)$/.test(name))
  return {
    path: folder,
    name: basename(folder),
    config,
    generation,
    tokenizerConfig,
    template: await templateIn(folder, names, tokenizerConfig),
    tokenizer,
    facts,
    ropeFactors: null,
    headers,
    files: await filesOf(folder, wanted),
  }
}

/** Values of the tensors that the model uses, each tensor counted once. */
function parametersOf(facts: ModelFacts): number {
  const shapes = new Map(facts.rules.flatMap((rule) => rule.pieces.map((piece) => [piece.name, piece.shape] as const)))
  return [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, n) => product * n, 1), 0)
}

/** The dtype most of the bytes are stored in, in config.json's words. */
function dtypeOf(headers: TensorHeaders): string {
  const bytes = new Map<string, number>()
  for (const { dtype, bytes: size } of headers.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + size)
  const most = [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? ''
  return most.toLowerCase()
}

/** How the planner has to count the matrices of the layers, where they are stored in few bits. */
function lowBitOf({ facts, headers }: Read): OpenModel['plannable']['lowBit'] {
  if (facts.quantisation) return { bytes: heldBytes(facts.quantisation), group: wholeColumns(facts.quantisation) }
  let values = 0
  let held = 0
  for (const { name, dtype, shape } of headers.values()) {
    const bytes = heldBlockBytes(dtype)
    if (bytes === null || !name.startsWith('model.layers.')) continue
    const count = shape.reduce((product, n) => product * n, 1)
    values += count
    held += count * bytes
  }
  return values > 0 ? { bytes: held / values, group: 32 } : null
}

function fingerprintOf(read: Read): string {
  const hash = createHash('sha256').update(JSON.stringify(read.config))
  for (const { name, dtype, shape, file, offset, bytes } of read.headers.values()) {
    hash.update(`\n${JSON.stringify([name, dtype, shape, basename(file), offset, bytes])}`)
  }
  const weights = new Set([...read.headers.values()].map((header) => basename(header.file)))
  for (const { name, bytes, modified } of read.files)
    if (weights.has(name)) hash.update(`\n${JSON.stringify([name, bytes, modified])}`)
  return hash.digest('hex')
}

function infoOf(read: Read): ModelInfo {
  const { decoder } = read.facts
  const weights = new Set([...read.headers.values()].map((header) => basename(header.file)))
  return {
    name: read.name,
    path: read.path,
    architecture: read.facts.architecture,
    family: read.facts.family,
    parameters: parametersOf(read.facts),
    bytes: read.files.reduce((sum, file) => sum + (weights.has(file.name) ? file.bytes : 0), 0),
    dtype: read.facts.quantisation ? quantisationName(read.facts.quantisation) : dtypeOf(read.headers),
    context: decoder.context,
    layers: decoder.layers,
    hidden: decoder.hidden,
    heads: decoder.queryHeads,
    kvHeads: decoder.kvHeads,
    headDim: decoder.headDim,
    vocab: decoder.vocab,
    fingerprint: fingerprintOf(read),
    tokenizer: read.tokenizer.kind,
    hasTemplate: read.template !== null,
    purpose: '',
    stopIds: stopIdsOf(read.facts.family, read.tokenizer, read.config, read.generation),
    generation: generationDefaultsOf(read.generation),
    files: read.files.map(({ name, bytes }) => ({ name, bytes })),
  }
}

function textToolsOf(read: Read, info: ModelInfo): TextTools {
  const { tokenizer } = read
  let template: ChatTemplate | null = null
  // Parsed when first needed: a template that cannot be read must not keep the model from plain completions.
  const chat = () =>
    (template ??= chatTemplate(
      read.template,
      read.tokenizerConfig,
      read.facts.family === 'qwen1' ? 'You are a helpful assistant.' : null,
    ))
  const specialIds = new Set(tokenizer.specials.values())
  const empty = new Uint8Array(0)
  return {
    vocab: tokenizer.size,
    stopIds: info.stopIds,
    defaults: info.generation,
    tokenizer,
    callStyle: callStyleOf(read.template),
    chat: (messages, options) => chat().ids(tokenizer, messages, options),
    render: (messages, options) => chat().render(messages, options),
    encode: (text, special) => tokenizer.encode(text, { special, bos: special }),
    decode: (ids, skipSpecial) => tokenizer.decode(ids, { skipSpecial }),
    stream: (skipSpecial) => tokenizer.stream({ skipSpecial }),
    specialId: (text) => tokenizer.specials.get(text) ?? null,
    bytes: (id) => (specialIds.has(id) ? empty : tokenizer.bytesOf(id)),
  }
}

/** Special tokens are no text, unless they look like text (<tool_call>) and are not skipped when it is shown. */
function tokenBytesOf(tokenizer: Tokenizer): { bytes: Uint8Array; ends: Uint32Array } {
  const special = new Set(tokenizer.specials.values())
  const ends = new Uint32Array(tokenizer.size)
  const parts: Uint8Array[] = []
  let end = 0
  for (let id = 0; id < tokenizer.size; id++) {
    if (!special.has(id)) {
      const part = tokenizer.bytesOf(id)
      parts.push(part)
      end += part.length
    }
    ends[id] = end
  }
  return { bytes: Buffer.concat(parts), ends }
}

/**
 * Opens the model in a folder: config, headers and tokenizer are read, tensors checked against config.json; weights
 * are not read. Throws `hub_unavailable` (an id of the hub), `model_missing`, `model_unreadable`, `model_unsupported`,
 * `model_truncated`, `model_tensor_missing`, `model_config_mismatch`, `model_tokenizer`.
 */
export async function openModel(path: string): Promise<OpenModel> {
  const read = await readModel(path)
  const info = infoOf(read)
  return {
    info,
    facts: read.facts,
    headers: read.headers,
    text: textToolsOf(read, info),
    plannable: {
      decoder: read.facts.decoder,
      storedBytes: info.dtype === 'f32' ? 4 : 2,
      lowBit: lowBitOf(read),
      sizesOf: (split, rank) => weightSizes(read.facts, split, rank),
    },
    splittable(context) {
      const facts =
        context === undefined
          ? read.facts
          : modelFacts(read.config, {
              context,
              vocabUsed: read.tokenizer.size,
              ropeFactors: read.ropeFactors ?? undefined,
            })
      return {
        decoder: facts.decoder,
        tensors: (split, rank) => loadPlan(facts, read.headers, split, rank),
        shard: (tensors) => shardOf(tensors, info.fingerprint),
        tokens: () => tokenBytesOf(read.tokenizer),
      }
    },
  }
}

/** What the library shows of the model in a folder. Errors as `openModel`. */
export async function inspectModel(path: string): Promise<ModelInfo> {
  return (await openModel(path)).info
}
