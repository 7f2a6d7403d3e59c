// Which kernels this CPU runs best.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels.h"

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

// Seconds of a small product that stays in the second-level cache: bf16, 64 rows by 512 columns, 1 and 12 tokens.
double trial(const Kernels& kernels) {
  constexpr int kCols = 512, kPanels = 4, kTokens = 12;
  std::vector<uint8_t> panels(kPanels * panel_bytes(DType::bf16, kCols));
  std::vector<float> x(kTokens * kCols, 0.5f), out(kTokens * kPanels * kPanelRows);
  MatmulArgs args{panels.data(), panel_bytes(DType::bf16, kCols), nullptr, kPanels, kCols, x.data(), kCols, 1,
                  out.data(), kPanels * kPanelRows};
  double best = 1e9;
  for (int round = 0; round < 12; ++round) {
    const auto start = std::chrono::steady_clock::now();
    args.tokens = 1;
    for (int i = 0; i < 4; ++i) kernels.matmul[static_cast<int>(DType::bf16)](args);
    args.tokens = kTokens;
    kernels.matmul[static_cast<int>(DType::bf16)](args);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (round > 1 && taken.count() < best) best = taken.count();
  }
  return best;
}

const Kernels& choose() {
  const Kernels* tables[3];
  const int count = available_kernels(tables);
  if (const char* wanted = std::getenv("LANYARD_KERNELS")) {
    for (int i = 0; i < count; ++i) {
      if (std::strcmp(tables[i]->name, wanted) == 0) return *tables[i];
    }
  }
  const Kernels* best = tables[0];
  if (count == 2) return *tables[1];  // AVX2 against plain loops needs no trial
  double best_time = 1e9;
  for (int i = 1; i < count; ++i) {
    const double time = trial(*tables[i]);
    if (time < best_time) {
      best_time = time;
      best = tables[i];
    }
  }
  return *best;
}

}  // namespace

int available_kernels(const Kernels* out[3]) {
  int count = 0;
  out[count++] = &scalar_kernels();
  if (avx2_kernels() && cpu_has_avx2()) out[count++] = avx2_kernels();
  if (avx512_kernels() && cpu_has_avx512()) out[count++] = avx512_kernels();
  return count;
}

const Kernels& best_kernels() {
  static const Kernels& best = choose();
  return best;
}

}  // namespace lanyard::ops::cpu
