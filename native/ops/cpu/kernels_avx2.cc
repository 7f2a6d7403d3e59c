// AVX2 + FMA + F16C: a vector of 16 floats is two registers. Compiled with those flags, called only where cpuid has them.
#include "kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define LANYARD_KERNELS_NAME "avx2"

namespace lanyard::ops::cpu {
namespace {

#include "vector_avx2.inc"

// 16 registers: 12 sums at most, the rest for weights and the broadcast.
constexpr int kTokens = 6;
constexpr int panels_of(int tokens) { return tokens == 1 ? 4 : tokens <= 3 ? 2 : 1; }

#include "grouped_avx2.inc"
#include "kernels_body.inc"

}  // namespace

const Kernels* avx2_kernels() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
