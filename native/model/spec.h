// What a rank needs to know to run its part of a model: electron/contract/engine.ts as C++ structures, field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../ops/ops.h"

namespace lanyard::model {

// Multi-head latent attention, its key and value matrices multiplied into queries and outputs: one KV head, whose key is a
// latent with rotated values behind it (head_dim values together) and whose value is that latent.
struct LatentSpec {
  int rank = 0;        // values of the latent; 0: ordinary attention
  int query_rank = 0;  // of the latent that queries are made of; 0: they are made of the hidden state
  int plain = 0;       // values of a head's query in front of the rotated ones
  int value = 0;       // values of a head that o reads
  float norm_eps = 0;  // of both latents' norms
};

struct DecoderSpec {
  std::string family;
  int hidden = 0;
  int layers = 0;
  int query_heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int ffn = 0;
  int vocab = 0;
  int vocab_used = 0;  // ids from here on are padding
  int context = 0;
  float norm_eps = 0;
  bool norm_plus_one = false;
  ops::Activation activation = ops::Activation::silu;
  ops::Clamp clamp;  // of swiglu_clamped
  float embed_scale = 1;
  float attention_scale = 1;
  float attention_softcap = 0;
  float logit_softcap = 0;
  bool qk_norm = false;
  std::vector<ops::RopeTable> ropes;
  std::vector<int> layer_rope;    // [layers]
  std::vector<int> layer_window;  // [layers]
  int logn_length = 0;
  LatentSpec latent;
  int experts = 0;
  int experts_per_token = 0;
  bool experts_normalise = false;
  ops::Routing routing;
  std::vector<bool> layer_moe;  // [layers]
};

struct Range {
  int start = 0;
  int count = 0;
};

struct RankSplit {
  Range query_heads, kv_heads, ffn, vocab;
};

enum class Role : uint8_t {
  embed, attn_norm, attn_qkv, attn_qkv_bias, attn_q_norm, attn_k_norm, attn_o, attn_o_bias, attn_sinks, attn_post_norm,
  ffn_norm, ffn_gate_up, ffn_down, ffn_post_norm, router, router_bias, expert_gate_up, expert_gate_up_bias, expert_down,
  expert_down_bias, shared_gate_up, shared_down, shared_gate, final_norm, lm_head,
  // Files of packed weights hold these numbers: new ones come last.
  attn_q_latent_norm, attn_q_up, attn_latent_norm, attn_kv_up, router_correction,
};

// Names as the contract has them, in the order of Role.
inline constexpr const char* kRoleNames[] = {
    "embed",     "attn_norm",   "attn_qkv",    "attn_qkv_bias", "attn_q_norm",    "attn_k_norm",    "attn_o",
    "attn_o_bias", "attn_sinks", "attn_post_norm", "ffn_norm",   "ffn_gate_up",    "ffn_down",       "ffn_post_norm",
    "router",    "router_bias", "expert_gate_up", "expert_gate_up_bias", "expert_down", "expert_down_bias",
    "shared_gate_up", "shared_down", "shared_gate", "final_norm", "lm_head",
    "attn_q_latent_norm", "attn_q_up", "attn_latent_norm", "attn_kv_up", "router_correction",
};

// `rows` pieces of `row_bytes` bytes, `stride` apart.
struct Extent {
  std::string file;
  uint64_t offset = 0, rows = 0, row_bytes = 0, stride = 0;
};

// How low-bit values lie in their bytes: see the contract's `encoding`.
enum class Encoding : uint8_t { f8_e4m3, int4_rows, gptq4, gptq8, awq4, mxfp4, q8_0, q4_0, q4_k, q5_k, q6_k };

// Names as the contract has them, in the order of Encoding.
inline constexpr const char* kEncodingNames[] = {"f8_e4m3", "int4_rows", "gptq4", "gptq8", "awq4", "mxfp4",
                                                  "q8_0",    "q4_0",      "q4_k",  "q5_k",  "q6_k"};

enum class ScaleType : uint8_t { f32, f16, bf16, e8m0 };

inline constexpr const char* kScaleTypeNames[] = {"f32", "f16", "bf16", "e8m0"};

// A run of rows of one low-bit tensor.
struct PackedPiece {
  Encoding encoding = Encoding::f8_e4m3;
  size_t rows = 0;
  size_t skip_rows = 0, skip_cols = 0;    // first row and column, from the border of their word or group
  size_t group_rows = 1, group_cols = 1;  // rows and columns that share a scale
  std::vector<Extent> values;
  ScaleType scale_type = ScaleType::f32;
  std::vector<Extent> scales, zeros;  // empty: 1 and the middle of the range
  int zero_offset = 0;                // added to stored zeros
  std::vector<Extent> column_groups;  // empty: columns in order
};

// How a matrix lies in its extents. columns: one extent, [cols][rows]. paired_columns: so too, and values 2i and 2i + 1 of
// a column are rows i and rows / 2 + i.
enum class Stored : uint8_t { rows, columns, paired_columns };

struct TensorSource {
  Role role = Role::embed;
  int layer = -1;
  int expert = -1;
  ops::DType dtype = ops::DType::f32;
  size_t rows = 0, cols = 0;
  std::vector<Extent> extents;
  std::vector<PackedPiece> packed;  // low-bit: instead of extents
  Stored stored = Stored::rows;
};

// What matrices become on load. i4: groups of 32 columns share a scale; i4x64, i4x128: of so many.
enum class WeightType : uint8_t { stored, f32, bf16, i8, i4, i4x64, i4x128 };

// Where packed weights are kept, and what names them.
struct PrepackedPlan {
  std::string file, key;
};

struct EngineSpec {
  DecoderSpec decoder;
  RankSplit split;
  std::vector<TensorSource> tensors;
  WeightType weights = WeightType::stored;
  ops::Compute compute = ops::Compute::exact;
  ops::KvShape kv;  // layers filled from the decoder
  int max_step_tokens = 0;
  int max_sequences = 0;
  bool cuda = false;
  int device = 0;
  int threads = 1;
  PrepackedPlan prepacked;  // file empty: nowhere
};

}  // namespace lanyard::model
