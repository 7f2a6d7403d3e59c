// AVX2 with AVX-VNNI: the byte products of fast_avx2.cc in one instruction.
#ifdef __AVXVNNI__
#define LANYARD_KERNELS_NAME "avxvnni"
#define LANYARD_KERNELS_TABLE fast_avxvnni_kernels
#include "fast_avx2.cc"
#else
#include "fast.h"

namespace lanyard::ops::cpu {
const FastKernels* fast_avxvnni_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
