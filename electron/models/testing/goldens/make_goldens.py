#!/usr/bin/env python3
"""Golden logits of tiny made-up models, one JSON per family, from Hugging Face transformers (CPU, float32, eager attention).

    pip install torch transformers numpy safetensors
    python make_goldens.py [CASE ...]

No weights are kept. Every value follows from the name of its tensor and its place in it by a rule that golden.ts states
too, in numbers that bf16 holds exactly:

    value[i] = base + (h(seed, i) mod 64 - 32) * 2^shift        seed = FNV-1a 32 of the tensor's name
    h(seed, i): x = seed xor i * 0x9E3779B9; x ^= x >> 16; x *= 0x85EBCA6B; x ^= x >> 13; x *= 0xC2B2AE35; x ^= x >> 16

MXFP4 experts are bytes instead: base + h mod 2^shift, fifth entry "U8".

A JSON holds: `versions`; `config` (config.json as published checkpoints have it); `used` (ids from there on are padding and
never chosen); `tensors` as [name, shape, base, shift], the names as transformers saves them; `prompts` with `ids`, `logits`
(of the last prompt token, all ids, little-endian f32 in base64), `greedy` (the tokens that follow) and, where it matters,
`context` (the longest sequence a deployment allows). Prompts are the ones with
the widest margin among some random ones, so that no greedy choice hangs on the last digits.
"""
import base64
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).resolve().parent
STEPS = 16
CANDIDATES = 40
USED = 259  # 256 bytes and three special tokens: what the tests' own tokenizer has
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

COMMON = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=2, head_dim=16,
              intermediate_size=96, vocab_size=264, max_position_embeddings=512, rms_norm_eps=1e-6, hidden_act="silu",
              tie_word_embeddings=False, attention_dropout=0.0, torch_dtype="bfloat16", bos_token_id=256, eos_token_id=257,
              pad_token_id=256)


def case(architecture, model_type, **changes):
    config = {"architectures": [architecture], "model_type": model_type, **COMMON, **changes}
    return {key: value for key, value in config.items() if value is not ...}


YARN = dict(type="yarn", factor=4.0, original_max_position_embeddings=64)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
CASES = {
    "llama3": case("LlamaForCausalLM", "llama", rope_theta=500000.0, rope_scaling=LLAMA3, attention_bias=True, mlp_bias=False),
    # Nemo: heads * head_dim is not hidden_size. The window is the first version's.
    "mistral": case("MistralForCausalLM", "mistral", num_key_value_heads=4, sliding_window=16),
    "qwen2-yarn": case("Qwen2ForCausalLM", "qwen2", head_dim=..., num_attention_heads=4, rope_theta=1e6, rope_scaling=YARN,
                       max_position_embeddings=64, use_sliding_window=False, tie_word_embeddings=True),
    "qwen3": case("Qwen3ForCausalLM", "qwen3", rope_theta=1e6, attention_bias=False, use_sliding_window=False),
    "phi4-mini": case("Phi3ForCausalLM", "phi3", head_dim=..., num_attention_heads=4, partial_rotary_factor=0.75,
                      original_max_position_embeddings=64, tie_word_embeddings=True, sliding_window=None,
                      rope_scaling=dict(type="longrope", short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                                        long_factor=[1.0, 1.3, 1.9, 2.8, 3.9, 5.2])),
    "gemma2": case("Gemma2ForCausalLM", "gemma2", hidden_act=..., hidden_activation="gelu_pytorch_tanh", num_hidden_layers=4,
                   sliding_window=16, attn_logit_softcapping=8.0, final_logit_softcapping=8.0, query_pre_attn_scalar=24,
                   tie_word_embeddings=True),
    "gemma3": case("Gemma3ForCausalLM", "gemma3_text", hidden_act=..., hidden_activation="gelu_pytorch_tanh",
                   num_hidden_layers=4, sliding_window=16, sliding_window_pattern=3, query_pre_attn_scalar=24, rope_theta=1e6,
                   rope_local_base_freq=1e4, rope_scaling=dict(rope_type="linear", factor=8.0), tie_word_embeddings=True,
                   layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]),
    "mixtral": case("MixtralForCausalLM", "mixtral", intermediate_size=40, num_local_experts=4, num_experts_per_tok=2,
                    sliding_window=None),
    # Two of the four layers have experts, once by mlp_only_layers, once by decoder_sparse_step.
    "qwen2_moe": case("Qwen2MoeForCausalLM", "qwen2_moe", head_dim=..., num_attention_heads=4, num_hidden_layers=4,
                      num_experts=6, num_experts_per_tok=4, moe_intermediate_size=24, shared_expert_intermediate_size=80,
                      norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[0, 2], rope_theta=1e6,
                      use_sliding_window=False),
    "qwen3_moe": case("Qwen3MoeForCausalLM", "qwen3_moe", num_hidden_layers=4, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24,
                      norm_topk_prob=True, decoder_sparse_step=2, mlp_only_layers=[], rope_theta=1e6,
                      use_sliding_window=False),
    "gpt_oss": case("GptOssForCausalLM", "gpt_oss", num_hidden_layers=4, intermediate_size=40,
                    num_local_experts=5, num_experts_per_tok=3, sliding_window=16, attention_bias=True, rope_theta=150000.0,
                    max_position_embeddings=2048, rms_norm_eps=1e-5, swiglu_limit=7.0,
                    layer_types=["sliding_attention", "full_attention"] * 2,
                    rope_scaling=dict(rope_type="yarn", factor=32.0, original_max_position_embeddings=64, beta_fast=32.0,
                                      beta_slow=1.0, truncate=False)),
}
# Heads of 24 + 8 for scores and 16 for values over one latent of 48; YaRN's two scales differ, so that both are seen.
MLA = dict(head_dim=..., num_key_value_heads=8, kv_lora_rank=48, qk_nope_head_dim=24, qk_rope_head_dim=8, v_head_dim=16,
           q_lora_rank=40, moe_intermediate_size=24, num_experts_per_tok=3, attention_bias=False, max_position_embeddings=256)
MLA_YARN = dict(type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=32, beta_slow=1, mscale=1.0,
                mscale_all_dim=0.707)
CASES |= {
    "deepseek_v2-lite": case("DeepseekV2ForCausalLM", "deepseek_v2", **MLA | dict(q_lora_rank=None, kv_lora_rank=32, qk_nope_head_dim=16),
                             rope_scaling=MLA_YARN, n_routed_experts=6, n_shared_experts=2, topk_method="greedy", n_group=1,
                             topk_group=1, routed_scaling_factor=1.0, norm_topk_prob=False, first_k_dense_replace=1),
    "deepseek_v2": case("DeepseekV2ForCausalLM", "deepseek_v2", **MLA, rope_scaling=MLA_YARN, n_routed_experts=12, n_shared_experts=2,
                        topk_method="group_limited_greedy", n_group=4, topk_group=2, routed_scaling_factor=2.5,
                        norm_topk_prob=False, first_k_dense_replace=1),
    "deepseek_v3": case("DeepseekV3ForCausalLM", "deepseek_v3", **MLA, rope_scaling=MLA_YARN, n_routed_experts=12, n_shared_experts=1,
                        topk_method="noaux_tc", scoring_func="sigmoid", n_group=4, topk_group=2, routed_scaling_factor=2.5,
                        norm_topk_prob=True, first_k_dense_replace=1, num_nextn_predict_layers=0),
    # Moonlight's form: no query latent, one group of experts, no rope scaling.
    "deepseek_v3-moonlight": case("DeepseekV3ForCausalLM", "deepseek_v3",
                                  **MLA | dict(q_lora_rank=None, num_attention_heads=4, num_key_value_heads=4), rope_theta=50000.0,
                                  n_routed_experts=6, n_shared_experts=2, topk_method="noaux_tc", scoring_func="sigmoid",
                                  n_group=1, topk_group=1, routed_scaling_factor=2.446, norm_topk_prob=True,
                                  first_k_dense_replace=1, num_nextn_predict_layers=0, rms_norm_eps=1e-5),
}
# As released: experts in MXFP4, blocks of 32 along the inputs.
CASES["gpt_oss-mxfp4"] = CASES["gpt_oss"] | {"intermediate_size": 64, "quantization_config": {"quant_method": "mxfp4"}}
LENGTHS = [1, 7, 40, 100]
E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])


def hashes(name, count):
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = np.uint32(seed) ^ (np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def values(name, shape, base, shift):
    x = hashes(name, math.prod(shape))
    flat = base + ((x & np.uint32(63)).astype(np.float64) - 32) * 2.0**shift
    out = torch.from_numpy(flat.astype(np.float32).reshape(shape))
    assert torch.equal(out, out.bfloat16().float()), name
    return out


def mxfp4(name, shape):
    """Tables for one stack [experts, inputs, outputs], and the bf16 stack that they stand for."""
    experts, inputs, outputs = shape
    blocks, scales = [experts, outputs, inputs // 32, 16], [experts, outputs, inputs // 32]
    tables = {f"{name}_blocks": (blocks, 0, 8, "U8"), f"{name}_scales": (scales, 121 if "gate_up" in name else 119, 2, "U8")}
    read = {t: torch.from_numpy((base + (hashes(t, math.prod(s)) & np.uint32(2**bits - 1))).astype(np.int64)).reshape(s)
            for t, (s, base, bits, _) in tables.items()}
    low_first = torch.stack([read[f"{name}_blocks"] & 15, read[f"{name}_blocks"] >> 4], dim=-1).flatten(-2)
    rows = (E2M1[low_first] * 2.0 ** (read[f"{name}_scales"] - 127)[..., None]).flatten(-2)
    return tables, rows.transpose(1, 2).contiguous().bfloat16()


def base_and_shift(name, shape, config):
    """Norms near 1, matrices that keep the size of what passes through them, logits of a standard deviation of a few."""
    gemma = config["model_type"].startswith("gemma")
    if "norm" in name:
        # Gemma adds 1. What its layers add must outweigh the embedding, or it repeats the last token for ever.
        return (0 if gemma and "post_" not in name else 1), -7
    if name.endswith("sinks"):
        return 0, -4
    if "bias" in name:
        return 0, -6
    if "embed_tokens" in name:
        # Gemma multiplies embeddings by sqrt(hidden); a tied table is also lm_head.
        return 0, -7 if gemma else -5
    inputs = shape[-2] if len(shape) == 3 else shape[-1]
    gain = 1.6
    if "lm_head" in name:
        gain = 4.0
    elif "router" in name or name.endswith("mlp.gate.weight"):
        gain = 3.0
    elif config["model_type"] == "gpt_oss" and name.endswith("gate_up_proj"):
        gain = 6.0  # some beyond what they are clamped to
    elif config["model_type"] == "gpt_oss" and name.endswith("down_proj"):
        gain = 0.4
    return 0, round(math.log2(gain / math.sqrt(inputs) / 18.5))


@torch.no_grad()
def follow(model, ids):
    """Logits after the prompt, greedy tokens, the narrowest margin among them."""
    logits = model(torch.tensor([ids])).logits[0, -1].float()
    first, chosen, margin = logits, [], math.inf
    at = list(ids)
    for _ in range(STEPS):
        best = torch.topk(logits[:USED], 2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        chosen.append(int(best.indices[0]))
        at.append(chosen[-1])
        logits = model(torch.tensor([at])).logits[0, -1].float()
    return first, chosen, margin


def make(name, config):
    tensors = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plain = {key: value for key, value in config.items() if key != "quantization_config"}
        (folder / "config.json").write_text(json.dumps(plain))
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder / "saved")
        with safe_open(folder / "saved" / "model.safetensors", "pt") as file:
            for tensor in file.keys():
                shape = list(file.get_slice(tensor).get_shape())
                tensors[tensor] = (shape, *base_and_shift(tensor, shape, config))
        stored = {t: values(t, *facts).bfloat16() for t, facts in tensors.items()}
        for t in [t for t in tensors if "quantization_config" in config and t.endswith(("gate_up_proj", "down_proj"))]:
            tables, stored[t] = mxfp4(t, tensors.pop(t)[0])
            tensors |= tables
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager",
                                                           output_loading_info=True)
        problems = {k: v for k, v in info.items() if v}
        assert not problems, problems
        model.eval()
    random = np.random.RandomState(7)
    prompts, spread, narrowest = [], [], math.inf
    for length in LENGTHS:
        tried = []
        for _ in range(CANDIDATES if length < 100 else CANDIDATES // 3):
            ids = random.randint(0, 256, size=length).tolist()
            tried.append((*follow(model, ids), ids))
        logits, greedy, margin, ids = max(tried, key=lambda entry: (len(set(entry[1])) > 4, entry[2]))
        narrowest = min(narrowest, margin)
        spread.append(float(logits.std()))
        prompts.append({"ids": ids, "logits": base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode(), "greedy": greedy})
        if original := config.get("original_max_position_embeddings"):
            # LongRoPE's factors follow the length here, and the context of a deployment in the engine.
            prompts[-1]["context"] = original if length + STEPS <= original else config["max_position_embeddings"]
    print(f"{name}: {len(tensors)} tensors, logits' deviation {min(spread):.1f} to {max(spread):.1f}, narrowest margin {narrowest:.3f}",
          [p["greedy"][:6] for p in prompts])
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    lines = [f'"versions": {json.dumps(versions)}', f'"config": {json.dumps(config)}', f'"used": {USED}',
             '"tensors": [\n' + ",\n".join(json.dumps([t, *facts]) for t, facts in tensors.items()) + "\n]",
             '"prompts": [\n' + ",\n".join(map(json.dumps, prompts)) + "\n]"]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for wanted in sys.argv[1:] or CASES:
        make(wanted, CASES[wanted])
