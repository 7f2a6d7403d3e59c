// The forward pass of every supported family, written once over the ops and driven by the decoder spec.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "../comm/communicator.h"
#include "../ops/ops.h"
#include "lanes.h"
#include "spec.h"
#include "weights.h"

namespace lanyard::model {

class Decoder {
 public:
  // Loads the weights and allocates the cache and the workspace: nothing is allocated in a step.
  Decoder(const EngineSpec& spec, ops::Ops& ops, const Progress& progress);

  // Runs the batch through all layers; afterwards hidden() holds [T, hidden] before the final norm. Throws
  // comm::CommError, and Error `aborted` when `stop` became true.
  void forward(const ops::Batch& batch, comm::Communicator& comm, const std::atomic<bool>& stop);

  // Final norm, this rank's rows of lm_head, softcap and padding mask for the given tokens of the last batch (at most
  // kLogitRows): [count, vocab share]. Valid until the next call.
  static constexpr int kLogitRows = 32;
  ops::Rows logits(const int32_t* tokens, int count);

  size_t weight_bytes() const { return weights_.bytes; }
  size_t cache_bytes() const { return cache_->bytes; }
  double comm_micros() const { return comm_micros_; }  // of the last forward

 private:
  void attention_block(int layer, comm::Communicator& comm);
  // Everything between the residual stream and o.
  void latent_attention(int layer);
  void ffn_block(int layer, comm::Communicator& comm);
  void dense(const LayerWeights& layer);
  void mixture(const LayerWeights& layer);
  // Sums partial_ over the ranks, norms it and adds it to x_: at once, or, when this is a lane, by settle(). `next` is the weight
  // that is read first afterwards, or null.
  void reduce(comm::Communicator& comm, const ops::Matrix* next, const ops::Norm& norm);
  // Waits for the sum of this lane that is on its way.
  void settle(comm::Communicator& comm);
  // Makes batch_, x_ and partial_ this lane's; null: the whole step's.
  void enter(Lane* lane);
  ops::Norm norm(const float* weight) const { return {weight, spec_.decoder.norm_eps}; }

  const EngineSpec& spec_;
  ops::Ops& ops_;
  Weights weights_;
  std::unique_ptr<ops::KvCache> cache_;
  ops::Batch step_;       // the whole step
  int lanes_from_ = 0;
  Lane lanes_[ops::Ops::kLanes];
  Lane* lane_ = nullptr;  // the one that is computed; null: all tokens at once
  double comm_micros_ = 0;

  // Of the lane that is computed. What only lives within a block is shared by all lanes.
  ops::Batch batch_;
  ops::Rows x_;           // [T, hidden] residual stream
  ops::Rows partial_;     // [T, hidden] what a block adds to it
  ops::Rows qkv_;         // [T, (query + 2 kv) * head_dim]
  ops::Rows attended_;    // [T, what o reads]
  // Latent attention only; then qkv_ is [T, query * head_dim].
  ops::Rows projected_;   // [T, queries or their latent, then key]
  ops::Rows queries_;     // [T, query * (plain + rotated)], where they have a latent
  ops::Rows latents_;     // [T, query * rank]
  ops::Rows ffn_;         // [T, widest FFN share]
  ops::Rows normed_;      // [T, hidden], mixtures only
  ops::Rows scores_;      // [T, experts]
  ops::Rows shared_;      // [T, hidden] shared expert's part
  ops::Rows last_;        // [kLogitRows, hidden]
  ops::Rows logits_;      // [kLogitRows, vocab share]
};

}  // namespace lanyard::model
