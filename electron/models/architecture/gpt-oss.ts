/**
 * gpt-oss: biases on all attention, router and expert layers, a sink logit per head, every other layer (from the first)
 * slides, and experts whose gate and up projections alternate in one tensor, stacked over all experts.
 */
import type { DecoderSpec } from '../../contract/engine.ts'
import type { Config } from './config.ts'
import { type Architecture, baseDecoder, layerWindows, tied } from './decoder.ts'
import {
  attentionRules,
  everyLayer,
  ffn,
  huggingFaceNames,
  matrix,
  modelRules,
  none,
  preNormRules,
  stackedColumns,
  stackedRows,
  stackedVector,
  type TensorRule,
  vector,
} from './layout.ts'

/**
 * The two matrices of one expert: gate in the even and up in the odd outputs. transformers stores unquantised ones
 * transposed, [experts, inputs, outputs]; the MXFP4 release has them row by row, in `…_blocks` and `…_scales`.
 */
function expertMatrices(d: DecoderSpec, layer: number, expert: number, at: string, low: boolean): TensorRule[] {
  const stack = (name: string) => ({ name: `${at}${name}`, count: d.experts, index: expert })
  if (low) {
    return [
      stackedRows({ role: 'expert_gate_up', layer, expert }, stack('gate_up_proj'), none(d.hidden), ffn(d.ffn), true),
      stackedRows({ role: 'expert_down', layer, expert }, stack('down_proj'), ffn(d.ffn), none(d.hidden)),
    ]
  }
  return [
    stackedColumns(
      { role: 'expert_gate_up', layer, expert },
      stack('gate_up_proj'),
      none(d.hidden),
      ffn(2 * d.ffn),
      true,
    ),
    stackedColumns({ role: 'expert_down', layer, expert }, stack('down_proj'), ffn(d.ffn), none(d.hidden)),
  ]
}

function mixtureRules(d: DecoderSpec, layer: number, low: boolean): TensorRule[] {
  const mlp = `${huggingFaceNames.layer(layer)}mlp.`
  const at = `${mlp}experts.`
  const rules = [
    matrix({ role: 'router', layer }, none(d.hidden), [{ name: `${mlp}router.weight`, axis: none(d.experts) }]),
    vector({ role: 'router_bias', layer }, [{ name: `${mlp}router.bias`, axis: none(d.experts) }]),
  ]
  for (let expert = 0; expert < d.experts; expert++) {
    const stack = (name: string) => ({ name: `${at}${name}`, count: d.experts, index: expert })
    rules.push(
      ...expertMatrices(d, layer, expert, at, low),
      stackedVector({ role: 'expert_gate_up_bias', layer, expert }, stack('gate_up_proj_bias'), ffn(d.ffn), true),
      stackedVector(
        { role: 'expert_down_bias', layer, expert, firstRankOnly: true },
        stack('down_proj_bias'),
        none(d.hidden),
      ),
    )
  }
  return rules
}

export function gptOss(config: Config, context: number | null): Architecture {
  const base = baseDecoder(config, context, { family: 'gpt_oss', theta: 150000 })
  const decoder: DecoderSpec = {
    ...base,
    layerWindow: layerWindows(config, base.layers, (layer) => layer % 2 === 0),
    activation: 'swiglu_clamped',
    clamp: { alpha: config.number('swiglu_alpha', 1.702), limit: config.number('swiglu_limit', 7) },
    experts: config.count(['num_local_experts', 'num_experts']),
    expertsPerToken: config.count(['num_experts_per_tok', 'experts_per_token']),
    // The softmax of the chosen ones' scores is the softmax of all of them, made to add up to 1 again.
    expertsNormalise: true,
    layerMoe: new Array<boolean>(base.layers).fill(true),
  }
  const bias = config.boolean('attention_bias', true)
  const low = config.object('quantization_config')?.['quant_method'] === 'mxfp4'
  const rules = everyLayer(decoder, (layer) => [
    ...preNormRules(decoder, layer),
    ...attentionRules(decoder, layer, { qkvBias: bias, outputBias: bias, sinks: true }),
    ...mixtureRules(decoder, layer, low),
  ])
  return { decoder, rules: [...modelRules(decoder, tied(config)), ...rules] }
}
