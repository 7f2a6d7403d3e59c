#include "grouped.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lanyard::ops::cpu {

namespace {

void put_half(uint8_t* head, int at, float value) {
  const uint16_t half = float_to_f16(value);
  std::memcpy(head + 2 * at, &half, 2);
}

void put_factors(DType dtype, Factors factors, uint8_t* head, int row, float scale, float bias) {
  auto* wide = reinterpret_cast<float*>(head);
  // Kernels read e4m3 as if its exponent counted from 15 and without its NaN, e2m1 as twice its value, and int8 with its sign.
  if (!has_biases(dtype)) {
    wide[row] = scale * (dtype == DType::f8g ? 256.0f : 0.5f);
    return;
  }
  const float moved = dtype == DType::i8g ? 128.0f : 0.0f;
  if (factors == Factors::pairs) {
    wide[row] = scale;
    wide[kPanelRows + row] = bias + moved * scale;
    return;
  }
  put_half(head, row, scale);
  if (factors == Factors::zeros) put_half(head, kPanelRows + row, scale != 0 ? std::nearbyint(bias / scale) + moved : 0.0f);
  if (factors == Factors::biases) put_half(head, kPanelRows + row, bias);
}

}  // namespace

void put_grouped(DType dtype, Factors factors, uint8_t* panel, int row, const uint8_t* codes, const float* scales,
                 const float* biases, int padded_cols, int group) {
  const size_t header = grouped_header(dtype, factors);
  const size_t group_bytes = header + group * grouped_column(dtype);
  for (int g = 0; g * group < padded_cols; ++g) {
    put_factors(dtype, factors, panel + g * group_bytes, row, scales[g], biases[g]);
    uint8_t* data = panel + g * group_bytes + header;
    const uint8_t* from = codes + g * group;
    const int count = std::min(group, padded_cols - g * group);
    switch (dtype) {
      case DType::f8g:
        for (int k = 0; k < count; ++k) {
          data[(k / 2 * kPanelRows + row) * 2 + k % 2] = from[k];
          if ((from[k] & 0x7fu) == 0x7fu) put_factors(dtype, factors, panel + g * group_bytes, row, std::nanf(""), 0);
        }
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
