// Grouped low-bit rows into panels (see kernels.h).
#pragma once

#include <cstdint>

#include "kernels.h"

namespace lanyard::ops::cpu {

// Writes one row of a panel of a grouped type. `codes` has padded_cols entries, `scales` and `biases` one per group.
// Codes beyond the real columns only meet zeros.
void put_grouped(DType dtype, Factors factors, uint8_t* panel, int row, const uint8_t* codes, const float* scales, const float* biases,
                 int padded_cols, int group);

}  // namespace lanyard::ops::cpu
