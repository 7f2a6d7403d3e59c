// Which kernels this CPU runs best.
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fast.h"
#include "kernels.h"
#include "memory.h"

namespace lanyard::ops::cpu {
namespace {

bool cpu_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool cpu_has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

// Best of some rounds, in seconds. Candidates take turns, so that a busy computer is unfair to none.
template <class F>
std::vector<double> race(int candidates, F&& run) {
  std::vector<double> best(candidates, 1e9);
  for (int round = 0; round < 16; ++round) {
    for (int i = 0; i < candidates; ++i) {
      const auto start = std::chrono::steady_clock::now();
      run(i);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      if (round > 1) best[i] = std::min(best[i], taken.count());
    }
  }
  return best;
}

// The later of the candidates, which is for the newer CPUs, unless an earlier one was clearly faster.
int winner(const std::vector<double>& times) {
  size_t best = 0;
  for (size_t i = 1; i < times.size(); ++i) {
    if (times[i] < 1.05 * times[best]) best = i;
  }
  return static_cast<int>(best);
}

constexpr int kTrialCols = 512, kTrialPanels = 4;
constexpr int trial_group(DType dtype) { return dtype == DType::f8g ? 128 : 32; }
constexpr size_t trial_bytes(DType dtype) {
  return is_grouped(dtype) ? grouped_panel_bytes(dtype, Factors::pairs, kTrialCols, trial_group(dtype)) : panel_bytes(dtype, kTrialCols);
}

// A small product that stays in the second-level cache: bf16, 64 rows by 512 columns, 1 and 12 tokens.
const Kernels& choose() {
  const Kernels* tables[3];
  const int count = available_kernels(tables);
  if (const char* wanted = std::getenv("LANYARD_KERNELS")) {
    for (int i = 0; i < count; ++i) {
      if (std::strcmp(tables[i]->name, wanted) == 0) return *tables[i];
    }
  }
  if (count <= 2) return *tables[count - 1];  // AVX2 or NEON against plain loops needs no trial
  constexpr int kTokens = 12;
  // Aligned as real weights are: unaligned, wide registers would look slow.
  const Memory panels(kTrialPanels * panel_bytes(DType::bf16, kTrialCols)), sums(kTokens * kTrialPanels * kPanelRows * sizeof(float));
  std::vector<float> x(kTokens * kTrialCols, 0.5f);
  MatmulArgs args{panels.data(), panel_bytes(DType::bf16, kTrialCols), nullptr, kTrialPanels, kTrialCols, x.data(), kTrialCols, 1,
                  sums.as<float>(), kTrialPanels * kPanelRows};
  const auto times = race(count - 1, [&](int i) {
    const auto matmul = tables[i + 1]->matmul[static_cast<int>(DType::bf16)];
    args.tokens = 1;
    for (int n = 0; n < 4; ++n) matmul(args);
    args.tokens = kTokens;
    matmul(args);
  });
  return *tables[1 + winner(times)];
}

// Weights and activations of a trial, both made of the same odd numbers.
struct FastTrial {
  static constexpr int kTokens = 32;
  DType dtype;
  Memory panels, input;
  std::vector<float> x, scales, out;
  FastInput to;

  FastTrial(DType type, const FastKernels& rounding, bool tiles)
      : dtype(type),
        panels(kTrialPanels * trial_bytes(type)),
        input(kTokens * fast_capacity(kTrialCols)),
        x(kTokens * kTrialCols),
        scales(kTrialPanels * kPanelRows, 0.25f),
        out(kTokens * kTrialPanels * kPanelRows) {
    uint32_t state = 12345;
    const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 8; };
    const size_t group_bytes = is_grouped(type) ? grouped_panel_bytes(type, Factors::pairs, trial_group(type), trial_group(type)) : 0;
    for (size_t i = 0; i + 2 <= panels.bytes(); i += 2) {
      const float value = static_cast<float>(next() % 2001) / 1000.0f - 1.0f;
      // Bytes of any kind are weights, except that int8 has no -128 and scales must be numbers.
      auto bits = static_cast<uint16_t>(next());
      if (group_bytes > 0) {
        if (i % group_bytes < grouped_header(type, Factors::pairs)) bits = i % 4 == 2 ? float_to_bf16(value) : bits;
      } else if (type == DType::bf16) bits = float_to_bf16(value);
      else if (type == DType::i8) bits &= 0x7f7fu;
      else if (i % 288 < 32) bits = float_to_f16(value);
      std::memcpy(panels.data() + i, &bits, 2);
    }
    for (float& value : x) value = static_cast<float>(next() % 4001) / 1000.0f - 2.0f;
    const int group = fast_group(type, trial_group(type));
    to = {input.data(), fast_form(type), kTrialCols / group, tiles, group};
    for (int t = 0; t < kTokens; ++t) fast_round(rounding, to, t, x.data() + t * kTrialCols, kTrialCols);
  }
  FastArgs args(int tokens) {
    return {panels.data(), trial_bytes(dtype), dtype == DType::i8 ? scales.data() : nullptr, kTrialPanels, to.groups,
            to.data, to.row_bytes(), tokens, out.data(), kTrialPanels * kPanelRows, trial_group(dtype)};
  }
};

constexpr DType kFastTypes[] = {DType::bf16, DType::i8, DType::i4, DType::i4g, DType::i8g, DType::f4g, DType::f8g};

// From how many tokens on tiles are faster for a type, which one product of 16 tokens and one of a few tell; never where
// tiles give other results.
int tiles_from(DType dtype, const FastKernels& rows, const TileKernels& tiles) {
  FastTrial by_rows(dtype, rows, false), by_tiles(dtype, rows, true);
  const int type = static_cast<int>(dtype);
  rows.matmul[type](by_rows.args(FastTrial::kTokens));
  tiles.matmul[type](by_tiles.args(FastTrial::kTokens));
  constexpr int kSeldom = 1 << 29, kFew = 6;
  if (std::memcmp(by_rows.out.data(), by_tiles.out.data(), by_rows.out.size() * sizeof(float)) != 0) return kNoTiles;
  const auto times = race(2, [&](int i) {
    i == 0 ? rows.matmul[type](by_rows.args(kFew)) : tiles.matmul[type](by_tiles.args(kTileTokens));
  });
  const double tokens = times[1] / times[0] * kFew;
  return tokens > 4 * kTileTokens ? kSeldom : std::max(2, static_cast<int>(tokens) + 1);
}

FastChoice choose_fast() {
  const FastKernels* tables[4];
  const int count = available_fast_kernels(tables);
  const char* wanted = std::getenv("LANYARD_KERNELS");
  const bool want_tiles = !wanted || std::strcmp(wanted, "amx") == 0;
  int chosen = -1;
  for (int i = 0; wanted && i < count; ++i) {
    if (std::strcmp(tables[i]->name, wanted) == 0) chosen = i;
  }
  if (chosen < 0 && count <= 2) chosen = count - 1;
  if (chosen < 0) {
    std::vector<FastTrial> trials;
    for (const DType dtype : {DType::bf16, DType::i8, DType::i4}) trials.emplace_back(dtype, *tables[0], false);
    chosen = 1 + winner(race(count - 1, [&](int i) {
               for (FastTrial& trial : trials) {
                 const auto matmul = tables[i + 1]->matmul[static_cast<int>(trial.dtype)];
                 for (int n = 0; n < 4; ++n) matmul(trial.args(1));
                 matmul(trial.args(6));
               }
             }));
  }
  FastChoice choice{tables[chosen], nullptr, {}, tables[chosen]->name};
  if (!want_tiles || !amx_kernels() || !cpu_has_avx512() || !enable_amx()) return choice;
  choice.tiles = amx_kernels();
  choice.name = choice.tiles->name;
  for (const DType dtype : kFastTypes) choice.tile_tokens[static_cast<int>(dtype)] = tiles_from(dtype, *choice.rows, *choice.tiles);
  return choice;
}

bool cpu_has_vnni() {
#if defined(__x86_64__)
  return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool cpu_has_avxvnni() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return cpu_has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1u) != 0;
#else
  return false;
#endif
}

// Bits of <asm/hwcap.h>; its older versions lack the later ones. NEON itself is part of aarch64.
bool cpu_has_dotprod() {
#if defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) >> 20 & 1u) != 0;
#else
  return false;
#endif
}

bool cpu_has_i8mm() {
#if defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kNeeded = 1ul << 13 | 1ul << 14;  // i8mm, bf16
  return cpu_has_dotprod() && (getauxval(AT_HWCAP2) & kNeeded) == kNeeded;
#else
  return false;
#endif
}

}  // namespace

int available_kernels(const Kernels* out[3]) {
  int count = 0;
  out[count++] = &scalar_kernels();
  if (avx2_kernels() && cpu_has_avx2()) out[count++] = avx2_kernels();
  if (avx512_kernels() && cpu_has_avx512()) out[count++] = avx512_kernels();
  if (neon_kernels()) out[count++] = neon_kernels();
  return count;
}

int available_fast_kernels(const FastKernels* out[4]) {
  int count = 0;
  out[count++] = &fast_scalar_kernels();
  if (fast_avx2_kernels() && cpu_has_avx2()) out[count++] = fast_avx2_kernels();
  if (fast_avxvnni_kernels() && cpu_has_avxvnni()) out[count++] = fast_avxvnni_kernels();
  if (fast_avx512_kernels() && cpu_has_vnni()) out[count++] = fast_avx512_kernels();
  if (fast_neon_kernels()) out[count++] = fast_neon_kernels();
  if (fast_dotprod_kernels() && cpu_has_dotprod()) out[count++] = fast_dotprod_kernels();
  if (fast_i8mm_kernels() && cpu_has_i8mm()) out[count++] = fast_i8mm_kernels();
  return count;
}

const FastChoice& best_fast() {
  static const FastChoice best = choose_fast();
  return best;
}

const Kernels& best_kernels() {
  static const Kernels& best = choose();
  return best;
}

}  // namespace lanyard::ops::cpu
