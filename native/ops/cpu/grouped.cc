#include "grouped.h"

#include <algorithm>
#include <cstring>

namespace lanyard::ops::cpu {

void put_grouped(DType dtype, uint8_t* panel, int row, const uint8_t* codes, const float* scales, const float* biases,
                 int padded_cols, int group) {
  const size_t header = grouped_header(dtype);
  const size_t group_bytes = header + group * grouped_column(dtype);
  for (int g = 0; g * group < padded_cols; ++g) {
    auto* factors = reinterpret_cast<float*>(panel + g * group_bytes);
    uint8_t* data = panel + g * group_bytes + header;
    const uint8_t* from = codes + g * group;
    const int count = std::min(group, padded_cols - g * group);
    // Kernels read e4m3 as if its exponent counted from 15, e2m1 as twice its value, and int8 with its sign.
    factors[row] = scales[g] * (dtype == DType::f8g ? 256.0f : dtype == DType::f4g ? 0.5f : 1.0f);
    if (dtype == DType::i4g) factors[kPanelRows + row] = biases[g];
    if (dtype == DType::i8g) factors[kPanelRows + row] = biases[g] + 128.0f * scales[g];
    switch (dtype) {
      case DType::f8g:
        for (int k = 0; k < count; ++k) data[k * kPanelRows + row] = from[k];
        break;
      case DType::i8g:
        for (int k = 0; k < count; ++k) data[(k / 4 * kPanelRows + row) * 4 + k % 4] = from[k] ^ 0x80u;
        break;
      default:
        for (int k = 0; k < count; k += 8) {
          uint32_t word = 0;
          for (int j = 0; j < 8; ++j) word |= static_cast<uint32_t>(from[k + j] & 15u) << (4 * j);
          std::memcpy(data + (k / 8 * kPanelRows + row) * 4, &word, 4);
        }
    }
  }
}

}  // namespace lanyard::ops::cpu
