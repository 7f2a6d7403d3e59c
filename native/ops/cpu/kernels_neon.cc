// NEON, which every aarch64 processor has: a vector of 16 floats is four registers.
#include "kernels.h"

#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>

#define LANYARD_KERNELS_NAME "neon"

namespace lanyard::ops::cpu {
namespace {

#include "vector_neon.inc"

// 32 registers: 24 for sums at most, the rest for weights and factors.
constexpr int kTokens = 6;
constexpr int panels_of(int tokens) { return tokens == 1 ? 2 : 1; }

#include "grouped_neon.inc"
#include "kernels_body.inc"

}  // namespace

const Kernels* neon_kernels() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
