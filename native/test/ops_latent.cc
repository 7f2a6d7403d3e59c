// What attention over a latent and its models' routers need, against plain statements of what they mean.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "../ops/cpu/kv_cache.h"
#include "../ops/ops.h"
#include "check.h"

using namespace lanyard::ops;
using check::Random;

namespace {

class Values final : public RowSource {
 public:
  Values(std::vector<float> values, size_t columns) : values_(std::move(values)) {
    cols = columns;
    rows = values_.size() / columns;
  }
  void read(size_t row, void* out) const override { std::memcpy(out, values_.data() + row * cols, cols * sizeof(float)); }

 private:
  std::vector<float> values_;
};

struct Batches {
  std::vector<int32_t> positions, owner, ids, blocks;
  int32_t first[2], block_first[2];
  float alpha = 1;
  // One sequence's positions from `start` on, its blocks in descending order.
  Batches(int start, int count, int block_count)
      : positions(count), owner(count), ids(count), blocks(block_count), first{0, count}, block_first{0, block_count} {
    std::iota(positions.begin(), positions.end(), start);
    std::iota(blocks.rbegin(), blocks.rend(), 0);
  }
  Batch batch() const {
    return {static_cast<int>(positions.size()), 1, ids.data(), positions.data(), owner.data(), first, block_first, blocks.data(), &alpha};
  }
};

// What the cache keeps of a run of values, in place.
void as_stored(DType kv, float* x, int count) {
  if (kv == DType::bf16) std::transform(x, x + count, x, [](float v) { return bf16_to_float(float_to_bf16(v)); });
  if (kv != DType::i8) return;
  cpu::spread(x, count);
  float largest = 0;
  for (int i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / 127.0f;
  for (int i = 0; i < count; ++i) x[i] = std::nearbyint(x[i] * (1.0f / scale)) * scale;
  cpu::spread(x, count);
}

struct Setup {
  int heads, latent, rotated, block_size, length, chunk;
  DType kv;
  int threads;
  const char* kernels;
  float loud = 1;  // how much larger rotated values are
  Compute compute = Compute::exact;
};

void attention_case(const Setup& s, uint64_t seed) {
  Random random(seed);
  const int dim = s.latent + s.rotated, width = s.heads * dim, blocks = s.length / s.block_size + 1;
  const Heads heads{s.heads, 1, dim, std::vector<int>(s.heads, 0), s.latent};
  auto ops = make_cpu_ops(s.threads, s.compute, s.kernels);
  RopeTable rope{{}, s.rotated, 1.25f, 10000, true};
  for (int i = 0; i < s.rotated / 2; ++i) rope.inv_freq.push_back(static_cast<float>(std::pow(10000.0, -2.0 * i / s.rotated)));
  ops->prepare({s.length, static_cast<size_t>(width), 0, 0, 0}, heads, {rope});
  auto cache = ops->make_cache({2, blocks, s.block_size, s.kv}, heads);
  const size_t bytes = s.kv == DType::i8 ? (dim + 3) / 4 * 4 + 8 : (dim + 1) / 2 * 2 * stored_bytes(s.kv);
  CHECK(cache->bytes == 2 * blocks * s.block_size * bytes, "%zu bytes", cache->bytes);

  auto queries = random.reals(static_cast<size_t>(s.length) * width), keys = random.reals(static_cast<size_t>(s.length) * dim);
  const auto weight = random.reals(s.latent, 2);
  for (int p = 0; p < s.length; ++p) {
    for (int d = s.latent; d < dim; ++d) keys[static_cast<size_t>(p) * dim + d] *= s.loud;
    for (int h = 0; h < s.heads; ++h) {
      for (int d = s.latent; d < dim; ++d) queries[static_cast<size_t>(p) * width + h * dim + d] /= s.loud;
    }
  }
  const size_t stride = padded_width(width), key_stride = padded_width(dim + 5), out_stride = padded_width(s.heads * s.latent);
  std::vector<float> got;
  for (int start = 0; start < s.length; start += s.chunk) {
    const int count = std::min(s.chunk, s.length - start);
    std::vector<float> q(count * stride), k(count * key_stride), out(count * out_stride);
    for (int t = 0; t < count; ++t) {
      std::copy_n(queries.data() + static_cast<size_t>(start + t) * width, width, q.data() + t * stride);
      std::copy_n(keys.data() + static_cast<size_t>(start + t) * dim, dim, k.data() + t * key_stride + 5);
    }
    const Batches batches(start, count, blocks);
    ops->begin(batches.batch(), *cache);
    ops->rope_store({{q.data(), stride}, 1, 0, {}, {weight.data(), 1e-6f}, 0, {k.data() + 5, key_stride}});
    ops->attention({{q.data(), stride}, 1, 0, 0.3f, 0, nullptr, {out.data(), out_stride}});
    for (int t = 0; t < count; ++t) got.insert(got.end(), out.data() + t * out_stride, out.data() + t * out_stride + s.heads * s.latent);
  }

  const auto turn = [&](float* x, int position) {
    for (int i = 0; i < s.rotated; i += 2) {
      const double angle = position * std::pow(10000.0, -1.0 * i / s.rotated), a = x[i], b = x[i + 1];
      x[i] = static_cast<float>(1.25 * (a * std::cos(angle) - b * std::sin(angle)));
      x[i + 1] = static_cast<float>(1.25 * (b * std::cos(angle) + a * std::sin(angle)));
    }
  };
  for (int p = 0; p < s.length; ++p) {
    float* key = keys.data() + static_cast<size_t>(p) * dim;
    double squares = 0;
    for (int d = 0; d < s.latent; ++d) squares += static_cast<double>(key[d]) * key[d];
    for (int d = 0; d < s.latent; ++d) key[d] = static_cast<float>(key[d] / std::sqrt(squares / s.latent + 1e-6) * weight[d]);
    turn(key + s.latent, p);
    as_stored(s.kv, key, s.latent);
    as_stored(s.kv, key + s.latent, s.rotated);
  }
  // A step of int8 more or less where rounding here and there differ.
  const double exact = s.kv == DType::f32 ? 5e-5 : s.kv == DType::bf16 ? 2e-3 : 5e-3;
  // Queries and weights in bf16.
  const double allowed = s.compute == Compute::fast ? 3e-2 : exact;
  double worst = 0;
  for (int p = 0; p < s.length; p += p + 7 < s.length ? 7 : 1) {
    for (int h = 0; h < s.heads; ++h) {
      float* query = queries.data() + static_cast<size_t>(p) * width + h * dim;
      turn(query + s.latent, p);
      std::vector<double> weights;
      double top = -1e300, total = 0;
      for (int k = 0; k <= p; ++k) {
        double score = 0;
        for (int d = 0; d < dim; ++d) score += static_cast<double>(query[d]) * 0.3 * keys[static_cast<size_t>(k) * dim + d];
        weights.push_back(score);
        top = std::max(top, score);
      }
      for (double& w : weights) total += w = std::exp(w - top);
      for (int d = 0; d < s.latent; ++d) {
        double sum = 0;
        for (int k = 0; k <= p; ++k) sum += weights[k] * keys[static_cast<size_t>(k) * dim + d];
        worst = std::max(worst, std::fabs(got[(static_cast<size_t>(p) * s.heads + h) * s.latent + d] - sum / total));
      }
    }
  }
  if (s.compute == Compute::fast) std::printf("  fast, %s: %g at most\n", dtype_name(s.kv), worst);
  CHECK(worst < allowed, "%d heads of %d + %d, %s: %g", s.heads, s.latent, s.rotated, dtype_name(s.kv), worst);
}

void attention_cases() {
  for (const char* kernels : {"scalar", "avx2", "avx512"}) {
    for (const DType kv : {DType::f32, DType::bf16, DType::i8}) {
      attention_case({3, 32, 8, 16, 70, 70, kv, 1, kernels}, 1);
      attention_case({5, 48, 6, 32, 150, 37, kv, 3, kernels}, 2);
      attention_case({2, 80, 10, 128, 600, 600, kv, 3, kernels}, 3);
      attention_case({70, 16, 2, 64, 40, 13, kv, 2, kernels}, 4);
      // Rotated values that would leave the latent few steps of a common factor.
      attention_case({4, 64, 16, 16, 90, 90, kv, 2, kernels, 100}, 5);
    }
  }
  for (const DType kv : {DType::bf16, DType::i8}) {
    attention_case({5, 48, 6, 32, 150, 37, kv, 1, nullptr, 1, Compute::fast}, 6);
    attention_case({20, 64, 32, 16, 600, 300, kv, 3, nullptr, 1, Compute::fast}, 7);
  }
}

// Every head with its own rows; what is carried lies behind the products, and nothing else is touched.
void products_of_heads() {
  Random random(8);
  for (const int threads : {1, 3}) {
    for (const DType type : {DType::f32, DType::bf16}) {
      auto ops = make_cpu_ops(threads);
      ops->prepare({16, 64, 0, 0, 0}, {1, 1, 16, {0}}, {});
      const int heads = 3, rows = 48, cols = 22, carried = 5, in_width = 30, out_width = 55, tokens = 7;
      auto values = random.reals(static_cast<size_t>(heads) * rows * cols);
      for (float& v : values) v = bf16_to_float(float_to_bf16(v));
      const auto matrix = ops->pack(Values(values, cols), type, RowOrder::plain);
      const size_t stride = padded_width(heads * in_width), out_stride = padded_width(heads * out_width);
      auto in = random.reals(tokens * stride);
      std::vector<float> out(tokens * out_stride, 77);
      ops->linear_heads({{in.data(), stride}, in_width, matrix.get(), {out.data(), out_stride}, out_width, carried, heads, tokens});
      double worst = 0;
      for (int t = 0; t < tokens; ++t) {
        for (int h = 0; h < heads; ++h) {
          const float *x = in.data() + t * stride + h * in_width, *y = out.data() + t * out_stride + h * out_width;
          for (int r = 0; r < rows; ++r) {
            double want = 0;
            for (int c = 0; c < cols; ++c) want += static_cast<double>(x[c]) * values[(static_cast<size_t>(h) * rows + r) * cols + c];
            worst = std::max(worst, std::fabs(y[r] - want));
          }
          for (int i = 0; i < carried; ++i) CHECK(y[rows + i] == x[cols + i]);
          for (int i = rows + carried; i < out_width; ++i) CHECK(y[i] == 77);
        }
      }
      CHECK(worst < 1e-5, "%g", worst);
    }
  }
}

struct Chosen {
  std::vector<double> weights;  // [experts], zeros where one is not chosen
};

// By the words of the model's authors: scores, groups by their best, the best experts of the best groups, weights.
Chosen choose(const std::vector<float>& logits, const float* correction, int per_token, bool normalise, const Routing& r) {
  const int experts = static_cast<int>(logits.size()), size = experts / r.groups;
  std::vector<double> scores(experts), choice(experts);
  double total = 0;
  for (int e = 0; e < experts; ++e) total += std::exp(static_cast<double>(logits[e]));
  for (int e = 0; e < experts; ++e) {
    scores[e] = r.sigmoid ? 1 / (1 + std::exp(-static_cast<double>(logits[e]))) : std::exp(static_cast<double>(logits[e])) / total;
    choice[e] = scores[e] * (r.sigmoid ? 1 : total) + (correction ? correction[e] : 0);
  }
  std::vector<std::pair<double, int>> groups;
  for (int g = 0; g < r.groups; ++g) {
    std::vector<double> of(choice.begin() + g * size, choice.begin() + (g + 1) * size);
    std::sort(of.rbegin(), of.rend());
    groups.push_back({-std::accumulate(of.begin(), of.begin() + r.group_best, 0.0), g});
  }
  std::sort(groups.begin(), groups.end());
  std::vector<std::pair<double, int>> candidates;
  for (int n = 0; n < r.groups_used; ++n) {
    for (int e = groups[n].second * size; e < (groups[n].second + 1) * size; ++e) candidates.push_back({-choice[e], e});
  }
  std::sort(candidates.begin(), candidates.end());
  Chosen out{std::vector<double>(experts, 0)};
  double sum = 0;
  for (int n = 0; n < per_token; ++n) sum += scores[candidates[n].second];
  for (int n = 0; n < per_token; ++n) {
    const int e = candidates[n].second;
    out.weights[e] = scores[e] / (normalise ? sum : 1) * r.factor;
  }
  return out;
}

// Experts without columns of their own but with a bias that is 1 in their own place: the output is the weights.
void routing() {
  Random random(9);
  const int experts = 16, tokens = 40;
  auto ops = make_cpu_ops(2);
  Limits limits{tokens, 32, tokens * 6, 32, experts};
  ops->prepare(limits, {1, 1, 16, {0}}, {});
  std::vector<std::vector<float>> places(experts, std::vector<float>(32, 0));
  std::vector<Expert> all(experts);
  for (int e = 0; e < experts; ++e) {
    places[e][e] = 1;
    all[e].down_bias = places[e].data();
  }
  const auto correction = random.reals(experts, 0.4f);
  struct Case {
    Routing routing;
    bool normalise, corrected;
  };
  const Case cases[] = {
      {{}, false, false},
      {{}, true, false},
      {{false, 1, 1, 1, 2.5f}, false, false},
      {{false, 4, 2, 1, 16.0f}, false, false},
      {{false, 8, 3, 1, 1.0f}, true, false},
      {{true, 4, 2, 2, 2.5f}, true, true},
      {{true, 4, 3, 2, 1.5f}, false, true},
      {{true, 1, 1, 1, 2.446f}, true, true},
  };
  for (const Case& c : cases) {
    std::vector<float> in(tokens * 32), scores(tokens * 32), out(tokens * 32);
    for (int t = 0; t < tokens; ++t) std::generate_n(scores.begin() + t * 32, experts, [&] { return random.real(4); });
    const auto logits = scores;
    ops->experts({{in.data(), 32}, {scores.data(), 32}, &all, 6, c.normalise, Activation::silu, {out.data(), 32}, tokens, 32, {}, c.routing,
                  c.corrected ? correction.data() : nullptr});
    for (int t = 0; t < tokens; ++t) {
      const auto want = choose({logits.begin() + t * 32, logits.begin() + t * 32 + experts}, c.corrected ? correction.data() : nullptr, 6,
                               c.normalise, c.routing);
      for (int e = 0; e < experts; ++e) {
        CHECK(std::fabs(out[t * 32 + e] - want.weights[e]) < 1e-5, "case %td token %d expert %d: %g, not %g", &c - cases, t, e, out[t * 32 + e],
              want.weights[e]);
      }
    }
  }
}

}  // namespace

int main() {
  check::section("attention over a latent", attention_cases);
  check::section("products of heads", products_of_heads);
  check::section("routing", routing);
  return check::result();
}
