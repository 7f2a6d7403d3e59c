// NEON with SDOT, SMMLA and the products of bf16: what processors since Armv8.6 have together.
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8) && \
    defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define LANYARD_USE_DOTPROD
#define LANYARD_USE_I8MM
#define LANYARD_KERNELS_NAME "i8mm"
#define LANYARD_KERNELS_TABLE fast_i8mm_kernels
#include "fast_neon.cc"
#else
#include "fast.h"

namespace lanyard::ops::cpu {
const FastKernels* fast_i8mm_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
