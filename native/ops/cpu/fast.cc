#include "fast.h"

namespace lanyard::ops::cpu {

RoundedRow FastInput::place(int token) const {
  const auto values = static_cast<size_t>(dtype == DType::bf16 ? 64 : group);
  if (tiles) {
    const size_t record = fast_record_bytes(dtype, group);
    uint8_t* first = data + static_cast<size_t>(token / kTileTokens) * groups * record;
    const int row = token % kTileTokens;
    float* scale = reinterpret_cast<float*>(first + kTileTokens * values) + row;
    return {first + row * values, record, scale, record / 4, nullptr, is_grouped(dtype) ? scale + kTileTokens : nullptr};
  }
  uint8_t* row = data + token * row_bytes();
  if (dtype == DType::bf16) return {row, 2 * values, nullptr, 0, nullptr, nullptr};
  auto* scales = reinterpret_cast<float*>(row + groups * values);
  return {row, values, scales, 1, reinterpret_cast<int32_t*>(scales + groups), is_grouped(dtype) ? scales + 2 * groups : nullptr};
}

void fast_round(const FastKernels& kernels, const FastInput& input, int token, const float* x, int n) {
  const RoundedRow to = input.place(token);
  if (input.dtype == DType::bf16) return (input.tiles ? kernels.round_bf16 : kernels.round_bf16_wide)(x, n, input.groups, to);
  const int size = input.group == 16 ? 0 : input.group == 32 ? 1 : input.group == 64 ? 2 : 3;
  (four_bits(input.dtype) ? kernels.round_even_odd : kernels.round_bytes)[size](x, n, input.groups, to);
}

}  // namespace lanyard::ops::cpu
