// A rank's share of a model, in the device's layout.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "../ops/ops.h"
#include "files.h"
#include "prepacked.h"
#include "spec.h"

namespace lanyard::model {

// Matrices that this rank has no share of, and everything a family does not have, are null.
struct LayerWeights {
  const float* attn_norm = nullptr;       // [hidden]
  std::unique_ptr<ops::Matrix> qkv;       // [(query + 2 kv) * head_dim, hidden], or what makes queries and the latent
  const float* qkv_bias = nullptr;        // [(query + 2 kv) * head_dim]
  const float* q_norm = nullptr;          // [head_dim]
  const float* k_norm = nullptr;          // [head_dim]
  const float* q_latent_norm = nullptr;   // [query rank]
  std::unique_ptr<ops::Matrix> q_up;      // [query * (plain + rotated), query rank]
  const float* latent_norm = nullptr;     // [rank]
  std::unique_ptr<ops::Matrix> k_up;      // [query * rank, plain]: a head's keys are made of the latent by its transpose
  std::unique_ptr<ops::Matrix> v_up;      // [query * value, rank]
  std::unique_ptr<ops::Matrix> o;         // [hidden, query * head_dim or value]
  float* o_bias = nullptr;                // [hidden], rank 0
  const float* sinks = nullptr;           // [query]
  const float* attn_post_norm = nullptr;  // [hidden]
  const float* ffn_norm = nullptr;        // [hidden]
  std::unique_ptr<ops::Matrix> gate_up;   // [2 * ffn, hidden]
  std::unique_ptr<ops::Matrix> down;      // [hidden, ffn]
  const float* ffn_post_norm = nullptr;   // [hidden]
  std::unique_ptr<ops::Matrix> router;    // [experts, hidden]
  const float* router_bias = nullptr;     // [experts]
  const float* router_correction = nullptr;  // [experts]
  std::vector<ops::Expert> experts;
  std::unique_ptr<ops::Matrix> shared_gate_up, shared_down;
  std::unique_ptr<ops::Matrix> shared_gate;  // [1, hidden]; null: the shared expert is added as it is
};

struct Weights {
  std::unique_ptr<ops::RowSource> embed;  // [vocab, hidden] on the host, rows are read on demand
  std::vector<LayerWeights> layers;
  const float* final_norm = nullptr;     // [hidden]
  std::unique_ptr<ops::Matrix> lm_head;  // [this rank's rows, hidden]
  size_t bytes = 0;                      // of matrices
  std::unique_ptr<PrepackedWriter> keeper;  // last, so that it ends before the matrices do
};

// Bytes done and bytes in total, as stored.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

// Throws Error weights_truncated, weights_mismatch, out_of_memory, not_found; whatever `progress` throws passes through.
Weights load_weights(const EngineSpec& spec, ops::Ops& ops, const Progress& progress);

}  // namespace lanyard::model
