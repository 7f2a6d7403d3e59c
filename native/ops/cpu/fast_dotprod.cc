// NEON with SDOT: four byte products and their sum in one instruction.
#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define LANYARD_USE_DOTPROD
#define LANYARD_KERNELS_NAME "dotprod"
#define LANYARD_KERNELS_TABLE fast_dotprod_kernels
#include "fast_neon.cc"
#else
#include "fast.h"

namespace lanyard::ops::cpu {
const FastKernels* fast_dotprod_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
