// The plain reference, and what runs where no faster table fits: loops over 16 floats that any compiler understands.
#include "kernels.h"

#define LANYARD_KERNELS_NAME "scalar"

namespace lanyard::ops::cpu {
namespace {

#include "vector_scalar.inc"

constexpr int kTokens = 2;
constexpr int panels_of(int) { return 1; }

#include "grouped_scalar.inc"
#include "kernels_body.inc"

}  // namespace

const Kernels& scalar_kernels() { return kTable; }

}  // namespace lanyard::ops::cpu
