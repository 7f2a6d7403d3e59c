#include "fast.h"

namespace lanyard::ops::cpu {

RoundedRow FastInput::place(int token) const {
  const auto values = static_cast<size_t>(dtype == DType::bf16 ? 64 : fast_group(dtype));
  if (tiles) {
    const size_t record = fast_record_bytes(dtype);
    uint8_t* first = data + static_cast<size_t>(token / kTileTokens) * groups * record;
    const int row = token % kTileTokens;
    return {first + row * values, record, reinterpret_cast<float*>(first + kTileTokens * values) + row, record / 4, nullptr};
  }
  uint8_t* row = data + token * row_bytes();
  if (dtype == DType::bf16) return {row, 2 * values, nullptr, 0, nullptr};
  auto* scales = reinterpret_cast<float*>(row + groups * values);
  return {row, values, scales, 1, reinterpret_cast<int32_t*>(scales + groups)};
}

void fast_round(const FastKernels& kernels, const FastInput& input, int token, const float* x, int n) {
  const RoundedRow to = input.place(token);
  switch (input.dtype) {
    case DType::i8: return kernels.round_i8(x, n, input.groups, to);
    case DType::i4: return kernels.round_i4(x, n, input.groups, to);
    default: return (input.tiles ? kernels.round_bf16 : kernels.round_bf16_wide)(x, n, input.groups, to);
  }
}

}  // namespace lanyard::ops::cpu
