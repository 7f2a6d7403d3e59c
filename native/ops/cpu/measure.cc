#include "measure.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "fast.h"
#include "matrix.h"
#include "memory.h"

namespace lanyard::ops::cpu {
namespace {

constexpr size_t kCols = 2048;

// Rows that cost no memory to read.
class Pattern final : public RowSource {
 public:
  explicit Pattern(size_t count) {
    dtype = DType::bf16;
    rows = count;
    cols = kCols;
    for (size_t i = 0; i < kCols; ++i) values_.push_back(float_to_bf16(static_cast<float>(i % 13) * 0.1f - 0.6f));
  }
  void read(size_t, void* out) const override { std::copy(values_.begin(), values_.end(), static_cast<uint16_t*>(out)); }

 private:
  std::vector<uint16_t> values_;
};

// Seconds of the fastest of some products.
double fastest(const PackedMatrix& m, int tokens, int rounds, Pool& pool) {
  const FastChoice& fast = best_fast();
  const int type = static_cast<int>(m.dtype);
  const size_t width = static_cast<size_t>(m.panels) * kPanelRows;
  const std::vector<float> x(kCols, 0.25f);
  std::vector<float> out(tokens * width);
  const Memory memory(static_cast<size_t>(tokens + kTileTokens) * fast_capacity(kCols));
  const FastInput input{memory.data(), m.dtype, m.groups(), fast.tiles && tokens >= fast.tile_tokens[type], m.fast_columns()};
  for (int t = 0; t < tokens; ++t) fast_round(*fast.rows, input, t, x.data(), static_cast<int>(kCols));
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([&](int thread) {
      const Share share = panel_share(m, thread, pool.threads());
      if (share.first == share.last) return;
      const Rows to{out.data() + share.first * kPanelRows, width};
      (input.tiles ? fast.tiles->matmul : fast.rows->matmul)[type](m.fast_product(share.first, share.last, input, tokens, to));
    });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

CpuSpeed measure(int threads) {
  Pool pool(threads);
  CpuSpeed speed;
  speed.kernels = best_fast().name;
  {
    constexpr size_t kRows = size_t{64} << 10;  // 256 MiB of bf16
    const auto m = pack_matrix(Pattern(kRows), DType::bf16, RowOrder::plain, pool);
    speed.read_bytes_per_second = static_cast<double>(m->bytes) / fastest(*m, 1, 8, pool);
  }
  constexpr size_t kRows = 1024, kTokens = 96;
  const auto m = pack_matrix(Pattern(kRows), DType::bf16, RowOrder::plain, pool);
  speed.gemm_flops = 2.0 * kRows * kCols * kTokens / fastest(*m, kTokens, 6, pool);
  return speed;
}

}  // namespace lanyard::ops::cpu
