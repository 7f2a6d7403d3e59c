// Attention of the CPU's ops with exact products against a plain statement of what it means.
#include "attention_case.h"

using namespace attention;

namespace {

void attention_case(const Setup& s, uint64_t seed) {
  const auto ops = make_cpu_ops(s.threads, Compute::exact, s.kernels);
  const double distance = distance_from_softmax(feed(s, seed, *ops));
  CHECK(distance < 2e-5, "case %d: %g", static_cast<int>(seed), distance);
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
  for (const DType kv : {DType::f32, DType::bf16, DType::i8}) {
    attention_case({heads_of(4, 2, 16), 16, 40, 0, false, kv, 2, nullptr, true}, 12);
    attention_case({heads_of(2, 1, 32), 64, 0, 0, false, kv, 1, nullptr, true}, 13);
  }
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

}  // namespace

int main() {
  check::section("attention over pages, windows, heads and splits", attention_cases);
  check::section("a position's rounding is its own", rounding_is_each_positions_own);
  return check::result();
}
