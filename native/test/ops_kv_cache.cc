// What the KV cache keeps: how int8 rounds, and how much memory it takes.
#include <bit>
#include <limits>

#include "../error.h"
#include "attention_case.h"

using namespace attention;

namespace {

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

}  // namespace

int main() {
  check::section("spreading a head's values", spreading);
  check::section("keys with outliers", outliers);
  check::section("sizes of the KV cache", cache_sizes);
  check::section("values at the edges of int8", extreme_values);
  return check::result();
}
