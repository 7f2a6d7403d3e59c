// AVX-512 (F, BW, DQ, VL): a vector of 16 floats is one register. Called only where cpuid has them.
#include "kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

#define LANYARD_KERNELS_NAME "avx512"

namespace lanyard::ops::cpu {
namespace {

#include "vector_avx512.inc"

// 32 registers: 24 sums at most.
constexpr int kTokens = 12;
constexpr int panels_of(int tokens) { return tokens == 1 ? 8 : tokens <= 5 ? 4 : 2; }

#include "grouped_avx512.inc"
#include "kernels_body.inc"

}  // namespace

const Kernels* avx512_kernels() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
