// What the tests of attention share: sequences of random queries, keys and values, fed to the cache in pieces.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>

#include "../ops/cpu/kv_cache.h"
#include "../ops/ops.h"
#include "check.h"

namespace attention {

using namespace lanyard::ops;
using check::Random;

inline constexpr float kScale = 0.3f;

struct Sequence {
  int start, count;            // this step's positions
  std::vector<int32_t> blocks;
};

struct Setup {
  Heads heads;
  int block_size, window;
  float softcap;
  bool sinks;
  DType kv;
  int threads;
  const char* kernels = nullptr;  // with exact products
  bool poisoned = false;  // all memory that is not a sequence's own, or no longer, has no numbers in it
};

// What was fed, and what came out for the positions of the last step.
struct Outcome {
  Setup setup;
  std::map<int, std::vector<float>> rows;  // per sequence: [length][width]
  std::vector<float> sinks;
  std::vector<Sequence> last;
  std::vector<float> out;  // [tokens][query * dim, padded]

  int width() const { return (setup.heads.query + 2 * setup.heads.kv) * setup.heads.dim; }
  const float* row(size_t token, int head) const {
    return out.data() + token * padded_width(setup.heads.query * setup.heads.dim) + head * setup.heads.dim;
  }
  // f(sequence, position, token of the last step)
  template <class F>
  void each(F&& f) const {
    size_t token = 0;
    for (size_t q = 0; q < last.size(); ++q) {
      for (int p = last[q].start; p < last[q].start + last[q].count; ++p) f(static_cast<int>(q), p, token++);
    }
  }
};

// What the cache keeps of a head's key or value, in place.
inline void as_stored(DType kv, bool is_key, float* x, int dim) {
  if (kv == DType::bf16) std::transform(x, x + dim, x, [](float v) { return bf16_to_float(float_to_bf16(v)); });
  if (kv != DType::i8) return;
  if (is_key) cpu::spread(x, dim);
  float largest = 0;
  for (int d = 0; d < dim; ++d) largest = std::max(largest, std::fabs(x[d]));
  const float scale = largest / 127.0f;
  for (int d = 0; d < dim; ++d) x[d] = std::nearbyint(x[d] * (1.0f / scale)) * scale;
  if (is_key) cpu::spread(x, dim);
}

// Feeds the same random q, k, v to the cache chunk by chunk; the last step has the ends of all sequences.
inline Outcome feed(const Setup& s, uint64_t seed, Ops& ops) {
  Random random(seed);
  Outcome outcome{s, {}, {}, {}, {}};
  const int width = (s.heads.query + 2 * s.heads.kv) * s.heads.dim, dim = s.heads.dim;
  const int lengths[] = {1 + random.below(40), 700, 130 + random.below(200)};
  const int last_chunks[] = {1, 1 + random.below(3), 1 + random.below(100)};
  ops.prepare({1024, static_cast<size_t>(width), 0, 0}, s.heads, {RopeTable{{}, 0, 1, 10000}});
  const int per_sequence = 800 / s.block_size + 1;
  auto cache = ops.make_cache({2, 3 * per_sequence + 1, s.block_size, s.kv}, s.heads);
  const size_t stride = padded_width(width);
  auto& all = outcome.rows;
  for (int q = 0; q < 3; ++q) all[q] = random.reals(static_cast<size_t>(lengths[q]) * width);
  const auto& sinks = outcome.sinks = random.reals(std::max(1, s.heads.query), 2);

  auto run = [&](const std::vector<Sequence>& sequences, const std::vector<int>& which, float* out) {
    std::vector<int32_t> positions, owner, first{0}, block_first{0}, blocks;
    std::vector<float> rows, alpha(sequences.size(), 1.0f);
    for (size_t i = 0; i < sequences.size(); ++i) {
      for (int p = 0; p < sequences[i].count; ++p) {
        positions.push_back(sequences[i].start + p);
        owner.push_back(static_cast<int32_t>(i));
        const float* from = all[which[i]].data() + static_cast<size_t>(sequences[i].start + p) * width;
        rows.insert(rows.end(), from, from + width);
        rows.resize(positions.size() * stride);
      }
      first.push_back(static_cast<int32_t>(positions.size()));
      blocks.insert(blocks.end(), sequences[i].blocks.begin(), sequences[i].blocks.end());
      block_first.push_back(static_cast<int32_t>(blocks.size()));
    }
    const std::vector<int32_t> ids(positions.size(), 0);
    const Batch batch{static_cast<int>(positions.size()), static_cast<int>(sequences.size()), ids.data(), positions.data(),
                      owner.data(), first.data(), block_first.data(), blocks.data(), alpha.data()};
    ops.begin(batch, *cache);
    const Rows qkv{rows.data(), stride};
    ops.rope_store({qkv, 1, 0, {}, {}, 0});
    ops.attention({qkv, 1, s.window, kScale, s.softcap, s.sinks ? sinks.data() : nullptr, {out, padded_width(s.heads.query * dim)}});
  };

  auto& last = outcome.last;
  auto& scratch = outcome.out;
  scratch.resize(1024 * padded_width(s.heads.query * dim));
  const int spare = 3 * per_sequence;
  if (s.poisoned) {
    all[3].assign(static_cast<size_t>(s.block_size) * width, std::numeric_limits<float>::quiet_NaN());
    for (int block = 0; block <= spare; ++block) run({{0, s.block_size, {block}}}, {3}, scratch.data());
    all.erase(3);
  }
  for (int q = 0; q < 3; ++q) {
    std::vector<int32_t> blocks(per_sequence);
    for (int b = 0; b < per_sequence; ++b) blocks[b] = (b * 3 + q);  // interleaved with the others'
    const int rest = std::min(last_chunks[q], lengths[q]);
    if (lengths[q] > rest) run({{0, lengths[q] - rest, blocks}}, {q}, scratch.data());
    const int gone = s.window > 0 ? std::max(0, lengths[q] - rest - s.window + 1) / s.block_size : 0;
    for (int b = 0; s.poisoned && b < gone; ++b) blocks[b] = spare;
    last.push_back({lengths[q] - rest, rest, blocks});
  }
  std::fill(scratch.begin(), scratch.end(), 0.0f);
  run(last, {0, 1, 2}, scratch.data());
  return outcome;
}

// The keys and values as the cache keeps them.
inline std::map<int, std::vector<float>> stored_rows(const Outcome& outcome) {
  const Setup& s = outcome.setup;
  const int width = outcome.width(), dim = s.heads.dim;
  auto stored = outcome.rows;
  for (auto& [q, rows] : stored) {
    for (size_t at = 0; at < rows.size(); at += dim) {
      const int head = static_cast<int>(at % width) / dim - s.heads.query;
      if (head >= 0) as_stored(s.kv, head < s.heads.kv, rows.data() + at, dim);
    }
  }
  return stored;
}

// The largest distance from a plain softmax over everything, in f64.
inline double distance_from_softmax(const Outcome& outcome) {
  const Setup& s = outcome.setup;
  const int width = outcome.width(), dim = s.heads.dim;
  auto stored = stored_rows(outcome);
  double worst = 0;
  outcome.each([&](int q, int p, size_t token) {
    for (int h = 0; h < s.heads.query; ++h) {
      const int kv = s.heads.kv_of_query[h];
      auto part = [&](int position, int at) { return stored[q].data() + static_cast<size_t>(position) * width + at * dim; };
      const int from = s.window > 0 ? std::max(0, p - s.window + 1) : 0;
      std::vector<double> weights;
      double top = s.sinks ? outcome.sinks[h] : -1e300;
      for (int k = from; k <= p; ++k) {
        double score = 0;
        for (int d = 0; d < dim; ++d) score += static_cast<double>(part(p, h)[d]) * kScale * part(k, s.heads.query + kv)[d];
        if (s.softcap > 0) score = s.softcap * std::tanh(score / s.softcap);
        weights.push_back(score);
        top = std::max(top, score);
      }
      double total = s.sinks ? std::exp(outcome.sinks[h] - top) : 0;
      for (double& w : weights) total += w = std::exp(w - top);
      const float* got = outcome.row(token, h);
      for (int d = 0; d < dim; ++d) {
        double sum = 0;
        for (int k = from; k <= p; ++k) sum += weights[k - from] * part(k, s.heads.query + s.heads.kv + kv)[d];
        const double error = std::fabs(got[d] - sum / total);
        if (!(error <= worst)) worst = error;
      }
    }
  });
  return worst;
}

inline Heads heads_of(int query, int kv, int dim) {
  Heads heads{query, kv, dim, {}};
  for (int h = 0; h < query; ++h) heads.kv_of_query.push_back(h * kv / query);
  return heads;
}

// The outputs of one sequence's last token, [query heads][dim], when `rows` [length][query + 2 kv heads][dim] are given in
// chunks of this size, beside a neighbour or alone.
inline std::vector<float> last_output(const Heads& heads, DType kv, const std::vector<float>& rows, int chunk, bool neighbour,
                                      std::unique_ptr<Ops> ops) {
  const int width = (heads.query + 2 * heads.kv) * heads.dim, length = static_cast<int>(rows.size()) / width;
  const size_t stride = padded_width(width), out_stride = padded_width(heads.query * heads.dim);
  ops->prepare({1024, static_cast<size_t>(width), 0, 0}, heads, {RopeTable{{}, 0, 1, 10000}});
  const int blocks = length / 16 + 1;
  auto cache = ops->make_cache({1, blocks + 1, 16, kv}, heads);
  std::vector<float> out;
  for (int start = 0; start < length; start += chunk) {
    const int count = std::min(chunk, length - start), tokens = count + (neighbour ? 1 : 0);
    std::vector<float> qkv(tokens * stride);
    std::vector<int32_t> ids(tokens), positions(tokens), owner(tokens), table(blocks);
    for (int t = 0; t < tokens; ++t) {
      positions[t] = t < count ? start + t : 0;
      owner[t] = t < count ? 0 : 1;
      std::copy_n(rows.data() + static_cast<size_t>(start + t % count) * width, width, qkv.data() + t * stride);
    }
    std::iota(table.rbegin(), table.rend(), 0);
    table.push_back(blocks);
    const int sequences = neighbour ? 2 : 1;
    const int32_t first[3] = {0, count, tokens}, block_first[3] = {0, blocks, blocks + 1};
    const float alpha[2] = {1, 1};
    ops->begin({tokens, sequences, ids.data(), positions.data(), owner.data(), first, block_first, table.data(), alpha}, *cache);
    out.assign(tokens * out_stride, 0);
    ops->rope_store({{qkv.data(), stride}, 0, 0, {}, {}, 0});
    ops->attention({{qkv.data(), stride}, 0, 0, 0.2f, 0, nullptr, {out.data(), out_stride}});
    out.erase(out.begin(), out.begin() + static_cast<ptrdiff_t>((count - 1) * out_stride));
  }
  out.resize(static_cast<size_t>(heads.query) * heads.dim);
  return out;
}

inline std::vector<float> last_output(const Heads& heads, DType kv, const std::vector<float>& rows, int chunk, bool neighbour, int threads) {
  return last_output(heads, kv, rows, chunk, neighbour, make_cpu_ops(threads));
}

}  // namespace attention
