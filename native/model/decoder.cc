#include "decoder.h"

#include <algorithm>
#include <chrono>

#include "../error.h"

namespace lanyard::model {
namespace {

size_t widest_ffn(const Weights& weights) {
  size_t widest = 0;
  for (const LayerWeights& layer : weights.layers) {
    if (layer.down) widest = std::max(widest, layer.down->cols);
    if (layer.shared_down) widest = std::max(widest, layer.shared_down->cols);
  }
  return widest;
}

size_t widest_expert(const Weights& weights) {
  size_t widest = 0;
  for (const LayerWeights& layer : weights.layers) {
    for (const ops::Expert& expert : layer.experts) {
      if (expert.down) widest = std::max(widest, expert.down->cols);
    }
  }
  return widest;
}

ops::Heads heads_of(const EngineSpec& spec) {
  const DecoderSpec& d = spec.decoder;
  ops::Heads heads{spec.split.query_heads.count, spec.split.kv_heads.count, d.head_dim, {}, d.latent.rank};
  const int group = d.query_heads / d.kv_heads;
  for (int h = 0; h < heads.query; ++h) {
    const int kv = (spec.split.query_heads.start + h) / group - spec.split.kv_heads.start;
    if (kv < 0 || kv >= heads.kv) {
      throw Error("weights_mismatch", "Query head " + std::to_string(spec.split.query_heads.start + h) +
                                          " reads a KV head that this rank does not hold.");
    }
    heads.kv_of_query.push_back(kv);
  }
  return heads;
}

}  // namespace

Decoder::Decoder(const EngineSpec& spec, ops::Ops& ops, const Progress& progress) : spec_(spec), ops_(ops) {
  const DecoderSpec& d = spec.decoder;
  const ops::Heads heads = heads_of(spec);
  weights_ = load_weights(spec, ops, progress);
  ops::KvShape shape = spec.kv;
  shape.layers = d.layers;
  cache_ = ops.make_cache(shape, heads);

  const size_t tokens = spec.max_step_tokens, hidden = d.hidden, ffn = widest_ffn(weights_);
  const LatentSpec& latent = d.latent;
  const size_t query = heads.query, expert = widest_expert(weights_);
  const size_t attended = query * (latent.rank > 0 ? latent.value : heads.dim);
  ops::Limits limits;
  limits.tokens = spec.max_step_tokens;
  limits.width = std::max({hidden, ffn, attended, static_cast<size_t>(latent.query_rank)});
  if (d.experts > 0) {
    limits.moe_slots = spec.max_step_tokens * d.experts_per_token;
    limits.moe_width = expert;
    limits.experts = d.experts;
  }
  ops.prepare(limits, heads, d.ropes);

  lanes_from_ = lanes_from(d.experts, d.experts_per_token);

  const auto rows = [&](size_t count, size_t width) {
    const size_t stride = ops::padded_width(width);
    return ops::Rows{stride > 0 ? ops.allocate(count * stride) : nullptr, stride};
  };
  x_ = rows(tokens, hidden);
  partial_ = rows(tokens, hidden);
  qkv_ = rows(tokens, (query + (latent.rank > 0 ? 0 : 2) * static_cast<size_t>(heads.kv)) * heads.dim);
  if (latent.rank > 0 && query > 0) {
    const size_t made = query * (latent.plain + heads.dim - latent.rank);
    projected_ = rows(tokens, (latent.query_rank > 0 ? latent.query_rank : made) + heads.dim);
    if (latent.query_rank > 0) queries_ = rows(tokens, made);
    latents_ = rows(tokens, query * latent.rank);
  }
  attended_ = rows(tokens, attended);
  ffn_ = rows(tokens, ffn);
  if (d.experts > 0) {
    normed_ = rows(tokens, hidden);
    scores_ = rows(tokens, d.experts);
    shared_ = rows(tokens, hidden);
  }
  last_ = rows(kLogitRows, hidden);
  logits_ = rows(kLogitRows, spec.split.vocab.count);
}

void Decoder::forward(const ops::Batch& batch, comm::Communicator& comm, const std::atomic<bool>& stop) {
  enter(nullptr);
  step_ = batch_ = batch;
  comm_micros_ = 0;
  const comm::Overlap overlap = comm.overlap();
  const bool divided = comm.size() > 1 && overlap != comm::Overlap::never &&
                       cut_lanes(batch, overlap == comm::Overlap::always ? 0 : lanes_from_, lanes_);
  // Each lane in turn; one that is nothing but the step is entered already.
  const auto each_lane = [&](auto&& f) {
    if (!divided) return f();
    for (Lane& lane : lanes_) {
      enter(&lane);
      f();
    }
  };
  if (divided) {
    const ops::Batch both[] = {lanes_[0].batch, lanes_[1].batch};
    ops_.begin_lanes(both, ops::Ops::kLanes, *cache_);
  } else {
    ops_.begin(batch, *cache_);
  }
  each_lane([&] { ops_.embed(*weights_.embed, spec_.decoder.embed_scale, x_); });
  for (int layer = 0; layer < spec_.decoder.layers; ++layer) {
    if (stop.load(std::memory_order_relaxed)) throw Error("aborted", "The step was aborted.");
    each_lane([&] {
      settle(comm);
      attention_block(layer, comm);
    });
    each_lane([&] {
      settle(comm);
      ffn_block(layer, comm);
    });
  }
  each_lane([&] { settle(comm); });
  enter(nullptr);
}

void Decoder::enter(Lane* lane) {
  if (lane == lane_) return;
  const int start = lane ? lane->start : 0, left = lane_ ? lane_->start : 0;
  x_.data += (start - left) * static_cast<ptrdiff_t>(x_.stride);
  partial_.data += (start - left) * static_cast<ptrdiff_t>(partial_.stride);
  batch_ = lane ? lane->batch : step_;
  lane_ = lane;
  ops_.use_lane(lane ? static_cast<int>(lane - lanes_) : 0);
}

void Decoder::reduce(comm::Communicator& comm, const ops::Matrix* next, const ops::Norm& norm) {
  const size_t width = spec_.decoder.hidden;
  if (comm.size() > 1) {
    const auto start = std::chrono::steady_clock::now();
    const size_t count = batch_.tokens * partial_.stride;
    if (lane_) ops_.start_all_reduce(comm, partial_.data, count, step_.tokens * partial_.stride);
    else ops_.all_reduce(comm, partial_.data, count, next);
    comm_micros_ += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  }
  if (!lane_) return ops_.add(x_, partial_, norm, batch_.tokens, width);
  lane_->norm = norm;
  lane_->waiting = true;
}

void Decoder::settle(comm::Communicator& comm) {
  if (!lane_ || !lane_->waiting) return;
  const auto start = std::chrono::steady_clock::now();
  ops_.finish_all_reduce(comm);
  comm_micros_ += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  lane_->waiting = false;
  ops_.add(x_, partial_, lane_->norm, batch_.tokens, spec_.decoder.hidden);
}

void Decoder::attention_block(int index, comm::Communicator& comm) {
  const DecoderSpec& d = spec_.decoder;
  const LayerWeights& layer = weights_.layers[index];
  const int tokens = batch_.tokens;
  if (layer.o) {
    if (d.latent.rank > 0) {
      latent_attention(index);
    } else {
      ops_.linear({x_, norm(layer.attn_norm), layer.qkv.get(), layer.qkv_bias, qkv_, tokens});
      ops_.rope_store({qkv_, index, d.layer_rope[index], norm(layer.q_norm), norm(layer.k_norm), d.logn_length});
      ops_.attention({qkv_, index, d.layer_window[index], d.attention_scale, d.attention_softcap, layer.sinks, attended_});
    }
    ops_.linear({attended_, {}, layer.o.get(), layer.o_bias, partial_, tokens});
  } else {
    ops_.zero(partial_.data, tokens * partial_.stride);  // no heads here: the others' sums only
    if (layer.o_bias) ops_.add(partial_, {layer.o_bias, 0}, {}, tokens, d.hidden);
  }
  reduce(comm, d.layer_moe[index] ? layer.router.get() : layer.gate_up.get(), norm(layer.attn_post_norm));
}

// Scores and weighted sums are taken over latents: what makes a head's keys of them is multiplied into its query instead, what
// makes its values into the sum.
void Decoder::latent_attention(int index) {
  const DecoderSpec& d = spec_.decoder;
  const LayerWeights& layer = weights_.layers[index];
  const size_t rank = d.latent.rank, rotated = d.head_dim - rank, plain = d.latent.plain, value = d.latent.value;
  const int tokens = batch_.tokens, heads = spec_.split.query_heads.count;
  ops_.linear({x_, norm(layer.attn_norm), layer.qkv.get(), layer.qkv_bias, projected_, tokens});
  const ops::Rows queries = layer.q_up ? queries_ : projected_;
  if (layer.q_up) ops_.linear({projected_, {layer.q_latent_norm, d.latent.norm_eps}, layer.q_up.get(), nullptr, queries_, tokens});
  const ops::Rows keys{projected_.data + layer.qkv->rows - d.head_dim, projected_.stride};
  ops_.linear_heads({queries, plain + rotated, layer.k_up.get(), qkv_, rank + rotated, rotated, heads, tokens});
  ops_.rope_store({qkv_, index, d.layer_rope[index], {}, {layer.latent_norm, d.latent.norm_eps}, d.logn_length, keys});
  ops_.attention({qkv_, index, d.layer_window[index], d.attention_scale, d.attention_softcap, layer.sinks, latents_});
  ops_.linear_heads({latents_, rank, layer.v_up.get(), attended_, value, 0, heads, tokens});
}

void Decoder::ffn_block(int index, comm::Communicator& comm) {
  const DecoderSpec& d = spec_.decoder;
  const LayerWeights& layer = weights_.layers[index];
  d.layer_moe[index] ? mixture(layer) : dense(layer);
  reduce(comm, index + 1 < d.layers ? weights_.layers[index + 1].qkv.get() : weights_.lm_head.get(), norm(layer.ffn_post_norm));
}

void Decoder::dense(const LayerWeights& layer) {
  const int tokens = batch_.tokens;
  if (!layer.down) {
    ops_.zero(partial_.data, tokens * partial_.stride);
    return;
  }
  ops_.gated_linear({x_, norm(layer.ffn_norm), layer.gate_up.get(), spec_.decoder.activation, ffn_, tokens});
  ops_.linear({ffn_, {}, layer.down.get(), nullptr, partial_, tokens});
}

void Decoder::mixture(const LayerWeights& layer) {
  const DecoderSpec& d = spec_.decoder;
  const int tokens = batch_.tokens;
  ops_.norm(x_, norm(layer.ffn_norm), normed_, tokens, d.hidden);
  if (layer.experts[0].down || layer.experts[0].down_bias) {
    ops_.linear({normed_, {}, layer.router.get(), layer.router_bias, scores_, tokens, true});
    ops_.experts({normed_, scores_, &layer.experts, d.experts_per_token, d.experts_normalise, d.activation, partial_, tokens,
                  static_cast<size_t>(d.hidden), d.clamp, d.routing, layer.router_correction});
  } else {
    ops_.zero(partial_.data, tokens * partial_.stride);
  }
  if (!layer.shared_down) return;
  ops_.gated_linear({normed_, {}, layer.shared_gate_up.get(), d.activation, ffn_, tokens});
  ops_.linear({ffn_, {}, layer.shared_down.get(), nullptr, shared_, tokens});
  if (!layer.shared_gate) return ops_.add(partial_, shared_, {}, tokens, d.hidden);
  ops_.linear({normed_, {}, layer.shared_gate.get(), nullptr, scores_, tokens, true});
  ops_.add_gated(shared_, scores_, partial_, tokens, d.hidden);
}

ops::Rows Decoder::logits(const int32_t* tokens, int count) {
  const auto& d = spec_.decoder;
  const size_t width = spec_.split.vocab.count;
  if (width == 0) return logits_;
  ops_.gather_rows(x_, tokens, count, last_, d.hidden);
  ops_.linear({last_, norm(weights_.final_norm), weights_.lm_head.get(), nullptr, logits_, count});
  const int used = std::clamp(d.vocab_used - spec_.split.vocab.start, 0, static_cast<int>(width));
  ops_.finish_logits(logits_, count, width, used, d.logit_softcap);
  return logits_;
}

}  // namespace lanyard::model
