// Attention in the fast arithmetic: every instruction set and AMX against its definition (attend.h) in plain loops, bit for
// bit, for any number of rows, threads and pieces of a prompt; and how far the definition itself is from a plain softmax.
//
//   ops_attention_fast [few]   few: against the definition alone, in the smaller cases; an emulated processor is slow
#include <cstring>
#include <string>

#include "../ops/cpu/cpu_ops.h"
#include "attention_case.h"

using namespace attention;

namespace {

struct Table {
  std::string name;
  cpu::FastChoice choice;
};

const std::vector<Table>& tables() {
  static const std::vector<Table> all = [] {
    std::vector<Table> made;
    const cpu::FastKernels* rows[4];
    const int count = cpu::available_fast_kernels(rows);
    for (int i = 0; i < count; ++i) made.push_back({rows[i]->name, {rows[i], nullptr, {}, rows[i]->name}});
    // Queries rounded by every instruction set for the tiles.
    const bool amx = cpu::amx_kernels() && cpu::enable_amx();
    for (int i = 0; amx && i < count; ++i) {
      made.push_back({std::string("amx after ") + rows[i]->name, {rows[i], cpu::amx_kernels(), {}, "amx"}});
    }
    return made;
  }();
  return all;
}

std::unique_ptr<Ops> ops_of(const Table& table, int threads) {
  return std::make_unique<cpu::CpuOps>(threads, cpu::best_kernels(), &table.choice);
}

float rounded(float x) { return bf16_to_float(float_to_bf16(x)); }

float power_of_two(float t) {
  const float n = std::nearbyint(t), r = t - n;
  float p = 9.5827672944e-03f;
  for (const float c : {5.5906427186e-02f, 2.4024100023e-01f, 6.9312419444e-01f, 1.0f}) p = std::fma(p, r, c);
  return std::ldexp(p, static_cast<int>(n));
}
float weight_of(float t) { return t > -96.0f ? power_of_two(t) : 0.0f; }

// A key or value as integers or bf16, and its factor.
struct Kept {
  std::vector<float> values;
  float factor = 1;
};

Kept kept(DType kv, bool is_key, const float* from, int dim) {
  Kept k{{from, from + dim}};
  if (kv == DType::bf16) {
    for (float& v : k.values) v = rounded(v);
    return k;
  }
  if (is_key) cpu::spread(k.values.data(), dim);
  float largest = 0;
  for (const float v : k.values) largest = std::max(largest, std::fabs(v));
  k.factor = largest / 127.0f;
  const float inverse = 1.0f / k.factor;
  for (float& v : k.values) v = std::nearbyint(v * inverse);
  return k;
}

constexpr float kPerLn2 = 1.44269504f;

struct State {
  std::vector<float> sums;
  float shift = -std::numeric_limits<float>::infinity(), total = 0;
};

void fold(State& left, const State& right) {
  if (right.total == 0) return;
  if (left.total == 0) {
    left = right;
    return;
  }
  const float shift = std::max(left.shift, right.shift);
  const float a = weight_of(left.shift - shift), b = weight_of(right.shift - shift);
  for (size_t d = 0; d < left.sums.size(); ++d) {
    const float scaled = left.sums[d] * a;
    left.sums[d] = std::fma(right.sums[d], b, scaled);
  }
  const float scaled = left.total * a;
  left.total = std::fma(right.total, b, scaled);
  left.shift = shift;
}

// What a query comes to over the positions from ... to of a split.
State split_defined(const Setup& s, const std::vector<float>& query, const std::vector<Kept>& keys, const std::vector<Kept>& values,
                    int from, int to) {
  const int dim = s.heads.dim;
  State state;
  state.sums.assign(dim, 0.0f);
  float lanes[16] = {};
  for (int chunk = from / 256 * 256; chunk < to; chunk += 256) {
    const int first = std::max(from, chunk), last = std::min(to, chunk + 256);
    std::vector<float> scores(256), factors(256, kPerLn2), weights(256, 0.0f);
    float largest = state.shift;
    for (int p = first; p < last; ++p) {
      float score = 0;
      for (int c = 0; c < dim; c += 32) {
        float even = 0, odd = 0;
        for (int k = c; k < std::min(dim, c + 32); ++k) {
          float& chain = k % 2 == 0 ? even : odd;
          chain = std::fma(keys[p].values[k], query[k], chain);
        }
        score += even + odd;
      }
      float factor = s.kv == DType::i8 ? keys[p].factor * kPerLn2 : kPerLn2;
      if (s.softcap > 0) {
        const float u = score * factor;
        const float e = power_of_two(std::clamp(u * (2.0f / s.softcap), -120.0f, 120.0f));
        score = s.softcap * (1.0f - 2.0f / (e + 1.0f));
        factor = kPerLn2;
      }
      scores[p - chunk] = score;
      factors[p - chunk] = factor;
      largest = std::max(largest, score * factor);
    }
    if (largest > state.shift && state.shift > -std::numeric_limits<float>::infinity()) {
      const float factor = weight_of(state.shift - largest);
      for (float& v : state.sums) v *= factor;
      for (float& v : lanes) v *= factor;
    }
    state.shift = largest;
    for (int p = first; p < last; ++p) {
      const float weight = weight_of(std::fma(scores[p - chunk], factors[p - chunk], -state.shift));
      lanes[p % 16] += weight;
      weights[p - chunk] = rounded(s.kv == DType::i8 ? weight * values[p].factor : weight);
    }
    for (int d = 0; d < dim; ++d) {
      for (int block = 0; block < 256; block += 32) {
        float chains[2] = {0, 0};
        for (int p = std::max(first, chunk + block); p < std::min(last, chunk + block + 32); ++p) {
          chains[p % 2] = std::fma(values[p].values[d], weights[p - chunk], chains[p % 2]);
        }
        state.sums[d] += chains[0] + chains[1];
      }
    }
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  state.total = lanes[0];
  return state;
}

// The number of outputs that are not as defined.
int differences(const Outcome& outcome) {
  const Setup& s = outcome.setup;
  const int dim = s.heads.dim, width = outcome.width();
  std::map<std::pair<int, int>, std::vector<Kept>> caches;  // of a sequence and a head of the cache
  for (const auto& [q, rows] : outcome.rows) {
    for (int h = 0; h < 2 * s.heads.kv; ++h) {
      for (size_t at = 0; at < rows.size(); at += width) {
        caches[{q, h}].push_back(kept(s.kv, h < s.heads.kv, rows.data() + at + (s.heads.query + h) * dim, dim));
      }
    }
  }
  int wrong = 0;
  outcome.each([&](int q, int p, size_t token) {
    for (int h = 0; h < s.heads.query; ++h) {
      const float* from = outcome.rows.at(q).data() + static_cast<size_t>(p) * width + h * dim;
      std::vector<float> query(from, from + dim);
      if (s.kv == DType::i8) cpu::spread(query.data(), dim);
      for (float& v : query) v = rounded(v * kScale);
      const auto& keys = caches.at({q, s.heads.kv_of_query[h]});
      const auto& values = caches.at({q, s.heads.kv + s.heads.kv_of_query[h]});
      const int first = s.window > 0 ? std::max(0, p - s.window + 1) : 0;
      State state;
      state.sums.assign(dim, 0.0f);
      for (int split = first / 512 * 512; split <= p; split += 512) {
        fold(state, split_defined(s, query, keys, values, std::max(first, split), std::min(p + 1, split + 512)));
      }
      float factor = 1.0f / state.total;
      if (s.sinks) {
        const float own = outcome.sinks[h] * kPerLn2, shift = std::max(state.shift, own);
        const float scaled = weight_of(state.shift - shift);
        factor = scaled / std::fma(state.total, scaled, weight_of(own - shift));
      }
      for (int d = 0; d < dim; ++d) {
        const float want = state.sums[d] * factor;
        wrong += std::memcmp(&want, outcome.row(token, h) + d, sizeof(float)) != 0;
      }
    }
  });
  return wrong;
}

const std::vector<Setup>& setups() {
  static const std::vector<Setup> all = [] {
    const Heads cut{5, 3, 32, {0, 1, 1, 1, 2}};  // query heads cut inside their KV groups
    std::vector<Setup> made;
    for (const DType kv : {DType::bf16, DType::i8}) {
      made.push_back({heads_of(14, 2, 64), 16, 0, 0, false, kv, 1});
      made.push_back({heads_of(2, 2, 64), 32, 0, 0, false, kv, 4});
      made.push_back({cut, 16, 40, 0, false, kv, 2, nullptr, true});
      made.push_back({heads_of(3, 3, 20), 64, 0, 5, false, kv, 3});
      made.push_back({heads_of(16, 2, 128), 128, 530, 0, true, kv, 3, nullptr, true});
      made.push_back({heads_of(70, 1, 16), 16, 17, 30, true, kv, 2});
      made.push_back({heads_of(4, 1, 96), 16, 300, 0, true, kv, 1});
      made.push_back({heads_of(2, 1, 256), 32, 0, 20, false, kv, 2, nullptr, true});
      made.push_back({heads_of(8, 1, 80), 16, 0, 0, false, kv, 2, nullptr, true});
      made.push_back({heads_of(3, 1, 21), 16, 100, 0, false, kv, 1});
    }
    return made;
  }();
  return all;
}

// Queries, weights and, in int8, sums of weights times factors are rounded to 8 bits: within 0.4 % of themselves.
void near_softmax() {
  double worst = 0;
  uint64_t seed = 100;
  for (const Setup& s : setups()) {
    const auto ops = make_cpu_ops(s.threads, Compute::fast);
    const double distance = distance_from_softmax(feed(s, ++seed, *ops));
    CHECK(distance < 4e-3, "case %d: %g", static_cast<int>(seed - 101), distance);
    worst = std::max(worst, distance);
  }
  std::printf("  values within +-1 come out within %.2g of a softmax in f64 over the same cache\n", worst);
  CHECK(worst > 1e-4, "fast attention is exact");
}

void as_defined(const Table& table, bool few) {
  uint64_t seed = 100;
  for (const Setup& s : setups()) {
    if (few && s.heads.query * s.heads.dim > 128) {
      ++seed;
      continue;
    }
    const auto ops = ops_of(table, s.threads);
    const int wrong = differences(feed(s, ++seed, *ops));
    CHECK(wrong == 0, "case %d: %d values are not as defined", static_cast<int>(seed - 101), wrong);
  }
}

// A token's result is the same to the bit however the prompt came, beside whom, with how many threads, and on a rank with
// some of the heads.
void rows_are_their_own(const Table& table) {
  Random random(78);
  const Heads whole = heads_of(9, 3, 40);
  const int dim = whole.dim, width = 15 * dim, length = 1100;
  const auto rows = random.reals(static_cast<size_t>(length) * width, 2);
  for (const DType kv : {DType::bf16, DType::i8}) {
    const auto want = last_output(whole, kv, rows, 1000, false, ops_of(table, 1));
    // One at a time only at the end: plain loops are slow.
    for (const int chunk : {7, 129, 1000}) {
      for (const bool neighbour : {false, true}) {
        CHECK(last_output(whole, kv, rows, chunk, neighbour, ops_of(table, 3)) == want, "%s in chunks of %d", dtype_name(kv), chunk);
      }
    }
    const std::vector<float> few(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(530) * width);
    CHECK(last_output(whole, kv, few, 1, false, ops_of(table, 2)) == last_output(whole, kv, few, 530, false, ops_of(table, 1)), "%s token by token", dtype_name(kv));
    // A rank with the query heads 4 to 8, which read the KV heads 1 and 2.
    const Heads some{5, 2, dim, {0, 0, 1, 1, 1}};
    std::vector<float> part;
    for (int p = 0; p < length; ++p) {
      for (const int head : {4, 5, 6, 7, 8, 10, 11, 13, 14}) {
        const float* from = rows.data() + static_cast<size_t>(p) * width + head * dim;
        part.insert(part.end(), from, from + dim);
      }
    }
    const auto got = last_output(some, kv, part, 1000, false, ops_of(table, 2));
    CHECK(std::equal(got.begin(), got.end(), want.begin() + 4 * dim), "%s on a rank with five heads", dtype_name(kv));
  }
}

// Scores far apart and far from zero, and what is no number.
void extreme_scores(const Table& table) {
  const Heads heads = heads_of(4, 1, 32);
  const int dim = heads.dim, width = 6 * dim, length = 700;
  Random random(9);
  auto rows = random.reals(static_cast<size_t>(length) * width);
  const auto output = [&] { return last_output(heads, DType::bf16, rows, length, false, ops_of(table, 1)); };
  // One key outweighs all: its value is what comes out.
  float* key = rows.data() + static_cast<size_t>(300) * width + 4 * dim;
  const float* query = rows.data() + static_cast<size_t>(length - 1) * width;
  for (int d = 0; d < dim; ++d) key[d] = 300 * query[d];
  const auto one = output();
  double worst = 0;
  for (int d = 0; d < dim; ++d) worst = std::max<double>(worst, std::fabs(one[d] - rounded(key[dim + d])));
  CHECK(worst < 1e-4, "%g", worst);
  // All scores are the same, however large: a mean, but for the rounding of the one weight.
  for (const float size : {0.0f, 1e4f}) {
    for (int p = 0; p < length; ++p) std::fill_n(rows.data() + static_cast<size_t>(p) * width, 5 * dim, size);
    const auto mean = output();
    double want = 0;
    for (int p = 0; p < length; ++p) want += rounded(rows[static_cast<size_t>(p) * width + 5 * dim]) / length;
    CHECK(std::fabs(mean[0] / want - 1) < (size > 0 ? 0x1p-8 : 1e-5), "%g instead of %g", mean[0], want);
  }
  rows[static_cast<size_t>(5) * width + 5 * dim + 3] = std::numeric_limits<float>::quiet_NaN();
  const auto odd = output();
  CHECK(std::isnan(odd[3]) && !std::isnan(odd[2]));
}

}  // namespace

int main(int argc, char** argv) {
  const bool few = argc > 1 && std::strcmp(argv[1], "few") == 0;
  if (!few) check::section("fast attention beside a softmax in f64", near_softmax);
  for (const Table& table : tables()) {
    check::section((table.name + " attention as defined").c_str(), [&] { as_defined(table, few); });
    if (few) continue;
    check::section((table.name + " attention by rows of their own").c_str(), [&] { rows_are_their_own(table); });
    check::section((table.name + " attention with extreme scores").c_str(), [&] { extreme_scores(table); });
  }
  return check::result();
}
