// Attention, rotation, mixtures and summaries of the CPU's ops against plain statements of what they mean.
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "../error.h"
#include "../ops/adjust.h"
#include "../ops/cpu/kv_cache.h"
#include "../ops/noise.h"
#include "../ops/ops.h"
#include "check.h"

using namespace lanyard::ops;
using check::Random;

namespace {

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
  const char* kernels = nullptr;
};

// What the cache keeps of a head's key or value, in place.
void as_stored(DType kv, bool is_key, float* x, int dim) {
  if (kv == DType::bf16) std::transform(x, x + dim, x, [](float v) { return bf16_to_float(float_to_bf16(v)); });
  if (kv != DType::i8) return;
  if (is_key) cpu::spread(x, dim);
  float largest = 0;
  for (int d = 0; d < dim; ++d) largest = std::max(largest, std::fabs(x[d]));
  const float scale = largest / 127.0f;
  for (int d = 0; d < dim; ++d) x[d] = std::nearbyint(x[d] * (1.0f / scale)) * scale;
  if (is_key) cpu::spread(x, dim);
}

// Feeds the same random q, k, v to the cache chunk by chunk and to a plain softmax over everything.
void attention_case(const Setup& s, uint64_t seed) {
  Random random(seed);
  auto ops = make_cpu_ops(s.threads, Compute::exact, s.kernels);
  const int width = (s.heads.query + 2 * s.heads.kv) * s.heads.dim, dim = s.heads.dim;
  const int lengths[] = {1 + random.below(40), 700, 130 + random.below(200)};
  const int last_chunks[] = {1, 1 + random.below(3), 1 + random.below(100)};
  ops->prepare({1024, static_cast<size_t>(width), 0, 0}, s.heads, {RopeTable{{}, 0, 1, 10000}});
  const int per_sequence = 800 / s.block_size + 1;
  auto cache = ops->make_cache({2, 3 * per_sequence, s.block_size, s.kv}, s.heads);
  const size_t stride = padded_width(width);
  std::map<int, std::vector<float>> all;  // per sequence: [length][width]
  for (int q = 0; q < 3; ++q) all[q] = random.reals(static_cast<size_t>(lengths[q]) * width);
  const auto sinks = random.reals(std::max(1, s.heads.query), 2);

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
    ops->begin(batch, *cache);
    const Rows qkv{rows.data(), stride};
    ops->rope_store({qkv, 1, 0, {}, {}, 0});
    ops->attention({qkv, 1, s.window, 0.3f, s.softcap, s.sinks ? sinks.data() : nullptr, {out, padded_width(s.heads.query * dim)}});
  };

  std::vector<Sequence> last;
  std::vector<float> scratch(1024 * padded_width(s.heads.query * dim));
  for (int q = 0; q < 3; ++q) {
    std::vector<int32_t> blocks(per_sequence);
    for (int b = 0; b < per_sequence; ++b) blocks[b] = (b * 3 + q);  // interleaved with the others'
    const int rest = std::min(last_chunks[q], lengths[q]);
    if (lengths[q] > rest) run({{0, lengths[q] - rest, blocks}}, {q}, scratch.data());
    last.push_back({lengths[q] - rest, rest, blocks});
  }
  std::fill(scratch.begin(), scratch.end(), 0.0f);
  run(last, {0, 1, 2}, scratch.data());

  auto stored = all;
  for (auto& [q, rows] : stored) {
    for (size_t at = 0; at < rows.size(); at += dim) {
      const int head = static_cast<int>(at % width) / dim - s.heads.query;
      if (head >= 0) as_stored(s.kv, head < s.heads.kv, rows.data() + at, dim);
    }
  }
  size_t row = 0;
  for (int q = 0; q < 3; ++q) {
    for (int p = last[q].start; p < last[q].start + last[q].count; ++p, ++row) {
      for (int h = 0; h < s.heads.query; ++h) {
        const int kv = s.heads.kv_of_query[h];
        auto part = [&](int position, int at) { return stored[q].data() + static_cast<size_t>(position) * width + at * dim; };
        const int from = s.window > 0 ? std::max(0, p - s.window + 1) : 0;
        std::vector<double> weights;
        double top = s.sinks ? sinks[h] : -1e300;
        for (int k = from; k <= p; ++k) {
          double score = 0;
          for (int d = 0; d < dim; ++d) score += static_cast<double>(part(p, h)[d]) * 0.3f * part(k, s.heads.query + kv)[d];
          if (s.softcap > 0) score = s.softcap * std::tanh(score / s.softcap);
          weights.push_back(score);
          top = std::max(top, score);
        }
        double total = s.sinks ? std::exp(sinks[h] - top) : 0;
        for (double& w : weights) total += w = std::exp(w - top);
        std::vector<float> want(dim);
        for (int d = 0; d < dim; ++d) {
          double sum = 0;
          for (int k = from; k <= p; ++k) sum += weights[k - from] * part(k, s.heads.query + s.heads.kv + kv)[d];
          want[d] = static_cast<float>(sum / total);
        }
        const float* got = scratch.data() + row * padded_width(s.heads.query * dim) + h * dim;
        double worst = 0;
        for (int d = 0; d < dim; ++d) worst = std::max(worst, std::fabs(static_cast<double>(got[d]) - want[d]));
        CHECK(worst < 2e-5, "sequence %d position %d head %d: %g", q, p, h, worst);
      }
    }
  }
}

Heads heads_of(int query, int kv, int dim) {
  Heads heads{query, kv, dim, {}};
  for (int h = 0; h < query; ++h) heads.kv_of_query.push_back(h * kv / query);
  return heads;
}

void attention_cases() {
  Heads cut{5, 3, 16, {0, 1, 1, 1, 2}};  // query heads cut inside their KV groups
  attention_case({heads_of(4, 2, 16), 16, 0, 0, false, DType::f32, 1}, 1);
  attention_case({heads_of(4, 2, 16), 32, 0, 0, false, DType::f32, 4}, 2);
  attention_case({cut, 16, 40, 0, false, DType::bf16, 2}, 3);
  attention_case({heads_of(3, 3, 20), 64, 0, 5, false, DType::f32, 3}, 4);
  attention_case({heads_of(2, 1, 32), 128, 530, 0, true, DType::bf16, 3}, 5);
  attention_case({heads_of(70, 1, 16), 16, 17, 0, true, DType::f32, 2}, 6);
  // Heads of sizes that fill neither a word of keys nor a vector of values, blocks of every size.
  for (const char* kernels : {"scalar", "avx2", "avx512"}) {
    attention_case({heads_of(4, 2, 64), 16, 0, 0, false, DType::i8, 1, kernels}, 7);
    attention_case({cut, 32, 40, 0, false, DType::i8, 2, kernels}, 8);
    attention_case({heads_of(3, 3, 21), 64, 0, 5, false, DType::i8, 3, kernels}, 9);
    attention_case({heads_of(2, 1, 80), 128, 530, 0, true, DType::i8, 3, kernels}, 10);
    attention_case({heads_of(70, 1, 6), 16, 17, 0, true, DType::i8, 2, kernels}, 11);
  }
}

// The outputs of one sequence's last token, [query heads][dim], when `rows` [length][query + 2 kv heads][dim] are given in
// chunks of this size, beside a neighbour or alone.
std::vector<float> last_output(const Heads& heads, DType kv, const std::vector<float>& rows, int chunk, bool neighbour, int threads) {
  const int width = (heads.query + 2 * heads.kv) * heads.dim, length = static_cast<int>(rows.size()) / width;
  const size_t stride = padded_width(width), out_stride = padded_width(heads.query * heads.dim);
  auto ops = make_cpu_ops(threads);
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

// A token's result is the same to the bit however the prompt came, beside whom, and on a rank with some of the heads.
void rounding_is_each_positions_own() {
  Random random(77);
  const Heads whole = heads_of(6, 3, 40);
  const int dim = whole.dim, width = 12 * dim, length = 600;
  const auto rows = random.reals(static_cast<size_t>(length) * width);
  for (const DType kv : {DType::bf16, DType::i8}) {
    const auto want = last_output(whole, kv, rows, length, false, 1);
    for (const int chunk : {1, 7, 129}) {
      for (const bool neighbour : {false, true}) {
        CHECK(last_output(whole, kv, rows, chunk, neighbour, 3) == want, "%s in chunks of %d", dtype_name(kv), chunk);
      }
    }
    // A rank with the query heads 3, 4 and 5, which read the KV heads 1 and 2.
    const Heads some{3, 2, dim, {0, 1, 1}};
    std::vector<float> part;
    for (int p = 0; p < length; ++p) {
      for (const int head : {3, 4, 5, 7, 8, 10, 11}) {
        const float* from = rows.data() + static_cast<size_t>(p) * width + head * dim;
        part.insert(part.end(), from, from + dim);
      }
    }
    const auto got = last_output(some, kv, part, 50, false, 2);
    CHECK(std::equal(got.begin(), got.end(), want.begin() + 3 * dim), "%s on a rank with three heads", dtype_name(kv));
  }
}

// By the matrix itself: (-1)^(bits that row and column share) / sqrt(n).
void spreading() {
  Random random(5);
  for (const int dim : {1, 6, 21, 64, 80, 128, 256, 300}) {
    const auto before = random.reals(dim);
    auto x = before;
    cpu::spread(x.data(), dim);
    for (int first = 0, n = 256; first < dim; first += n) {
      while (n > dim - first) n /= 2;
      for (int i = 0; i < n; ++i) {
        double want = 0;
        for (int j = 0; j < n; ++j) want += std::popcount(static_cast<unsigned>(i & j)) % 2 == 0 ? before[first + j] : -before[first + j];
        CHECK(std::fabs(x[first + i] - want / std::sqrt(n)) < 1e-6, "%d of %d: %g", first + i, dim, x[first + i]);
      }
    }
    cpu::spread(x.data(), dim);
    CHECK(check::difference(x.data(), before.data(), dim) < 1e-6, "%d values twice", dim);
  }
}

// One large value in every key costs the small ones little: the error stays within a few times of what it is without.
void outliers() {
  Random random(6);
  const Heads heads = heads_of(1, 1, 128);
  auto rows = random.reals(static_cast<size_t>(300) * 3 * 128);
  const auto error = [&] {
    const auto exact = last_output(heads, DType::f32, rows, 300, false, 1), got = last_output(heads, DType::i8, rows, 300, false, 1);
    return check::difference(got.data(), exact.data(), exact.size());
  };
  const double even = error();
  for (size_t p = 0; p < 300; ++p) {
    rows[p * 384 + 128 + 9] = 30 + random.real();
    rows[p * 384 + 9] *= 0.1f;  // so that the sizes of the scores stay
  }
  const double uneven = error();
  CHECK(even < 0.01 && uneven < 5 * even, "%g, with outliers %g", even, uneven);
}

// A block's memory is what it takes: values and, for int8, two factors of 4 bytes per position and head.
void cache_sizes() {
  auto ops = make_cpu_ops(1);
  const auto bytes = [&](DType kv, int dim, int size) { return ops->make_cache({3, 5, size, kv}, heads_of(4, 2, dim))->bytes / (3 * 5 * size * 2); };
  CHECK(bytes(DType::f32, 64, 16) == 512 && bytes(DType::bf16, 64, 32) == 256 && bytes(DType::i8, 64, 16) == 128 + 8);
  CHECK(bytes(DType::i8, 128, 128) == 256 + 8 && bytes(DType::i8, 21, 64) == 24 + 32 + 8 && bytes(DType::bf16, 21, 64) == 44 + 64);
  for (const DType kv : {DType::f16, DType::i4, DType::f8g}) {
    CHECK(check::throws<lanyard::Error>([&] { bytes(kv, 64, 16); }, [](const auto& e) { return e.code() == std::string("bad_request"); }));
  }
}

// Zeros, numbers that f32 hardly holds, one that outweighs the rest, and what is no number.
void extreme_values() {
  const Heads heads = heads_of(1, 1, 16);
  const auto value_of = [&](float all, float one) {
    std::vector<float> row(48, 0);
    std::fill(row.begin() + 32, row.end(), all);
    row[40] = one;
    return last_output(heads, DType::i8, row, 1, false, 1);
  };
  for (const float v : {0.0f, 1e-44f, 1e-41f, 3e38f, -3e38f, 1.0f}) {
    const auto got = value_of(v, v);
    // Of the smallest the factor itself is rounded, or its inverse is not finite.
    for (const float x : got) CHECK(std::fabs(static_cast<double>(x) - v) <= std::max(1e-6 * std::fabs(v), 1e-40), "%g became %g", v, x);
  }
  const auto got = value_of(1.0f, 127 * 3.0f);
  CHECK(got[8] == 381 && got[0] == 0);  // within half a step of 3
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CHECK(std::isnan(value_of(1.0f, odd)[0]) || std::isnan(value_of(1.0f, odd)[8]));
  }
}

void rotation() {
  auto ops = make_cpu_ops(1);
  const Heads heads{1, 1, 16, {0}};
  RopeTable table{{}, 8, 1.5f, 10000};
  for (int i = 0; i < 4; ++i) table.inv_freq.push_back(static_cast<float>(std::pow(10000.0, -2.0 * i / 8)));
  ops->prepare({4, 64, 0, 0}, heads, {table});
  auto cache = ops->make_cache({1, 4, 16, DType::f32}, heads);
  const int32_t ids[2] = {0, 0}, positions[2] = {0, 50}, owner[2] = {0, 1}, first[3] = {0, 1, 2}, block_first[3] = {0, 1, 5};
  const int32_t blocks[5] = {0, 0, 1, 2, 3};
  const float alpha[2] = {1, 3};
  ops->begin({2, 2, ids, positions, owner, first, block_first, blocks, alpha}, *cache);
  std::vector<float> rows(2 * 64);
  Random random(4);
  for (float& v : rows) v = random.real();
  const auto before = rows;
  ops->rope_store({{rows.data(), 64}, 0, 0, {}, {}, 10});
  for (int t = 0; t < 2; ++t) {
    for (int i = 0; i < 16; ++i) {
      const float* x = before.data() + t * 64;
      const int pair = i % 4;
      // alpha changes the base; only the first 8 of 16 values turn
      const double base = 10000 * std::pow(static_cast<double>(alpha[t]), 8.0 / 6.0);
      const double angle = positions[t] * std::pow(base, -2.0 * pair / 8);
      double want = x[i];
      if (i < 4) want = 1.5 * (x[i] * std::cos(angle) - x[i + 4] * std::sin(angle));
      else if (i < 8) want = 1.5 * (x[i] * std::cos(angle) + x[i - 4] * std::sin(angle));
      if (positions[t] + 1 > 10) want *= std::log(positions[t] + 1.0) / std::log(10.0);
      CHECK(std::fabs(rows[t * 64 + i] - want) < 2e-5, "token %d value %d", t, i);
    }
  }
}

void summaries() {
  Random random(31);
  auto ops = make_cpu_ops(2);
  const int width = 3000, first_id = 50;
  const size_t stride = padded_width(width);
  std::vector<float> logits(4 * stride);
  for (float& v : logits) v = static_cast<float>(random.below(400)) / 20;  // many ties
  const auto before = logits;
  std::vector<int32_t> history{60, 61, 61, 3000, 7, 60};
  const int32_t bias_ids[2] = {61, 99};
  const float bias[2] = {-3, 5};
  Adjust adjust{bias_ids, bias, 2, false, history.data(), 6, 2, 1.5f, 0.25f, 0.5f};
  SummaryRequest requests[4];
  requests[0] = {{}, 1, 1, false, 0, 0, 5};
  requests[1] = {{}, 0.5f, 256, false, 0, 0, 0};
  requests[2] = {adjust, 1, 20, false, 0, 0, 20};
  requests[3] = {adjust, 2, 1, true, 99, 4, 0};
  Summary results[4];
  std::vector<Candidate> candidates(4 * 256), tops(4 * 256);
  ops->summarise({logits.data(), stride}, 4, width, first_id, requests, results, candidates.data(), 256, tops.data(), 256);
  CHECK(logits == before, "logits are left as they were");
  for (int r = 0; r < 4; ++r) {
    std::vector<Candidate> all;
    for (int i = 0; i < width; ++i) all.push_back({first_id + i, before[r * stride + i], before[r * stride + i]});
    auto raw = all;
    std::sort(raw.begin(), raw.end(), lanyard::ops::before);
    for (int i = 0; i < requests[r].top; ++i) CHECK(tops[r * 256 + i].id == raw[i].id, "row %d top %d", r, i);
    double total = 0;
    for (const auto& c : raw) total += std::exp(static_cast<double>(c.logit) - raw[0].logit);
    CHECK(results[r].raw_max == raw[0].logit && std::fabs(results[r].raw_sum / total - 1) < 1e-5);
    if (requests[r].adjust.any()) {
      auto change = [&](int id, double b, double repetition, double freq, double presence) {
        float& l = all[id - first_id].logit;
        double v = l + b;
        v = v > 0 ? v / repetition : v * repetition;
        l = static_cast<float>(v - freq - presence);
      };
      change(60, 0, 1.5, 0.5, 0.25);       // in the prompt and once in the output
      change(61, -3, 1.5, 0.5, 0.25);      // once in each, with a bias
      change(3000, 0, 1.5, 0.5, 0.25);
      change(99, 5, 1, 0, 0);
    }
    std::sort(all.begin(), all.end(), lanyard::ops::before);
    if (requests[r].perturb) {
      const uint64_t key = draw_key(99, 4);
      const auto best = std::max_element(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
        return a.logit * 2.0 + gumbel(key, a.id) < b.logit * 2.0 + gumbel(key, b.id);
      });
      CHECK(candidates[r * 256].id == best->id && results[r].candidates == 1);
      continue;
    }
    CHECK(results[r].candidates == requests[r].candidates);
    for (int i = 0; i < requests[r].candidates; ++i) {
      CHECK(candidates[r * 256 + i].id == all[i].id && std::fabs(candidates[r * 256 + i].logit - all[i].logit) < 1e-5, "row %d candidate %d", r, i);
      CHECK(candidates[r * 256 + i].raw == before[r * stride + all[i].id - first_id]);
    }
  }
}

void noise_is_gumbel() {
  // Mean is Euler's constant, variance pi^2 / 6; and draws of different ids and numbers are unrelated.
  double sum = 0, squares = 0, product = 0;
  const int count = 200000;
  for (int i = 0; i < count; ++i) {
    const double a = gumbel(draw_key(7, i / 500), i % 500), b = gumbel(draw_key(7, i / 500 + 1), i % 500);
    sum += a;
    squares += a * a;
    product += (a - 0.5772157) * (b - 0.5772157);
  }
  const double mean = sum / count, variance = squares / count - mean * mean;
  CHECK(std::fabs(mean - 0.5772157) < 0.015, "mean %g", mean);
  CHECK(std::fabs(variance - 1.6449341) < 0.04, "variance %g", variance);
  CHECK(std::fabs(product / count) < 0.02, "covariance %g", product / count);
  CHECK(gumbel(draw_key(1, 2), 3) == gumbel(draw_key(1, 2), 3));
}

}  // namespace

int main() {
  check::section("attention over pages, windows, heads and splits", attention_cases);
  check::section("a position's rounding is its own", rounding_is_each_positions_own);
  check::section("spreading a head's values", spreading);
  check::section("keys with outliers", outliers);
  check::section("sizes of the KV cache", cache_sizes);
  check::section("values at the edges of int8", extreme_values);
  check::section("rotation, NTK and logn", rotation);
  check::section("summaries of logits", summaries);
  check::section("noise", noise_is_gumbel);
  return check::result();
}
