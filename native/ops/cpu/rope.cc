// Rotations of the step's positions, and the op between the QKV product and attention: norms of q and k, rotation,
// logn, and k and v into the cache.
#include <algorithm>
#include <cmath>

#include "cpu_ops.h"

namespace lanyard::ops::cpu {

void CpuOps::begin_lanes(const Batch* lanes, int count, KvCache& cache) {
  cache_ = &static_cast<CpuKvCache&>(cache);
  moving_ = nullptr;
  exchanges_ = 0;
  float* rotations = rotation_memory_;
  for (int lane = 0; lane < count; ++lane) {
    use_lane(lane);
    rotations_ = rotations;
    rotations += lanes[lane].tokens * rope_width_;
    begin_lane(lanes[lane]);
  }
  use_lane(0);
}

void CpuOps::use_lane(int lane) {
  if (lane == lane_) return;
  Aside& now = aside_[lane_];
  now.batch = batch_;
  now.rotations = rotations_;
  now.schedules.swap(schedules_);
  now.schedules_used = schedules_used_;
  Aside& next = aside_[lane];
  batch_ = next.batch;
  rotations_ = next.rotations;
  schedules_.swap(next.schedules);
  schedules_used_ = next.schedules_used;
  lane_ = lane;
}

void CpuOps::begin_lane(const Batch& batch) {
  batch_ = batch;
  schedules_used_ = 0;
  if (batch.tokens * rope_width_ < 4096) {
    rotate_tokens(0, batch.tokens);
    return;
  }
  pool_.run([&](int thread) {
    const Share share = share_of(batch_.tokens, thread, pool_.threads());
    rotate_tokens(share.first, share.last);
  });
}

float* CpuOps::rotation(int table, int token) const { return rotations_ + token * rope_width_ + rope_first_[table]; }

void CpuOps::rotate_tokens(int first, int last) {
  for (size_t r = 0; r < ropes_.size(); ++r) {
    const RopeTable& rope = ropes_[r];
    const int half = rope.dim / 2;
    for (int t = first; t < last; ++t) {
      const auto position = static_cast<float>(batch_.positions[t]);
      const float alpha = batch_.rope_alpha[batch_.sequence[t]];
      const auto base = static_cast<float>(rope.theta * std::pow(static_cast<double>(alpha), rope.dim / (rope.dim - 2.0)));
      float* cosine = rotation(static_cast<int>(r), t);
      float* sine = cosine + half;
      for (int i = 0; i < half; ++i) {
        // The angle is rounded to f32 first, as the reference implementations have it.
        const float inv_freq =
            alpha == 1 ? rope.inv_freq[i] : 1.0f / std::pow(base, static_cast<float>(2 * i) / static_cast<float>(rope.dim));
        const float angle = position * inv_freq;
        cosine[i] = std::cos(angle) * rope.attention_factor;
        sine[i] = std::sin(angle) * rope.attention_factor;
      }
    }
  }
}

void CpuOps::rope_store(const RopeStoreArgs& args) {
  const int dim = heads_.dim, latent = heads_.latent, heads = heads_.query + (latent > 0 ? 1 : 2) * heads_.kv;
  const RopeTable& rope = ropes_[args.rope];
  const int half = rope.dim / 2;
  const CpuKvCache& cache = *cache_;
  const int size = cache.shape.block_size;

  auto one = [&](int token, int head) {
    const bool is_query = head < heads_.query, is_key = !is_query && head < heads_.query + heads_.kv;
    float* x = latent > 0 && is_key ? args.keys.row(token) : args.qkv.row(token) + head * dim;
    const int position = batch_.positions[token];
    if (is_query || is_key) {
      const Norm& norm = is_query ? args.q_norm : args.k_norm;
      if (norm.weight) kernels_.rms_norm(x, norm.weight, heads_.value(), norm.eps, x);
      const float *cosine = rotation(args.rope, token), *sine = cosine + half;
      float* rotated = x + latent;
      const int step = rope.interleaved ? 2 : 1, apart = rope.interleaved ? 1 : half;
      for (int i = 0; i < half; ++i) {
        const float a = rotated[i * step], b = rotated[i * step + apart];
        rotated[i * step] = a * cosine[i] - b * sine[i];
        rotated[i * step + apart] = b * cosine[i] + a * sine[i];
      }
    }
    if (is_query) {
      if (args.logn_length > 0 && position + 1 > args.logn_length) {
        kernels_.scale(x, static_cast<float>(std::log(position + 1.0) / std::log(args.logn_length)), dim);
      }
    }
    if (cache.scaled() && (is_query || is_key)) spread_key(x, dim, latent);
    if (is_query) return;
    const int kv_head = head - heads_.query - (is_key ? 0 : heads_.kv);
    const int block = batch_.blocks[batch_.block_first[batch_.sequence[token]] + position / size];
    const int offset = position % size;
    if (is_key) cache.put_key(cache.key_block(args.layer, block, kv_head), offset, x);
    else cache.put_value(cache.value_block(args.layer, block, kv_head), offset, x);
  };

  pool_.run([&](int thread) {
    const Share share = share_of(static_cast<int64_t>(batch_.tokens) * heads, thread, pool_.threads());
    for (int i = share.first; i < share.last; ++i) one(i / heads, i % heads);
  });
}

}  // namespace lanyard::ops::cpu
