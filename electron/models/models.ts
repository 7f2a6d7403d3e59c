/** Models: facts from config.json, tensors in files, load plans, shards, tokenizers, chat templates. */
export {
  decoderSpecOf,
  type FactsOptions,
  type ModelFacts,
  modelFacts,
  supportedArchitectures,
} from './architecture/architecture.ts'
export { checkTensors, loadPlan, planBytes, wholeSplit } from './load-plan.ts'
export type { TensorHeader, TensorHeaders } from './safetensors.ts'
export { readHeaders } from './safetensors-files.ts'
export type { EncodeOptions, Tokenizer, TokenStream } from './tokenizer/tokenizer.ts'
export { type CallStyle, callStyleOf } from './call-style.ts'
export { loadTokenizer } from './tokenizer/tokenizer-files.ts'
export { type ChatMessage, chatTemplate, type ChatTemplate, type RenderOptions } from './chat-template.ts'
export {
  inspectModel,
  type ModelInfo,
  openModel,
  type OpenModel,
  type SplittableModel,
  type TextTools,
} from './library-files.ts'
export { type Shard, shardOf } from './shard-files.ts'
export { type GenerationDefaults, generationDefaultsOf, stopIdsOf } from './stop-ids.ts'
