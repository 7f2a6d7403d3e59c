// Rows rounded to 4 bits while they are read, in groups wider than ops::DType::i4 has them.
#pragma once

#include <memory>

#include "../ops/ops.h"

namespace lanyard::model {

class RoundedRows final : public ops::RowSource {
 public:
  // group: 16, 32, 64 or 128 columns, counted from the first of `source`.
  RoundedRows(std::unique_ptr<ops::RowSource> source, int columns);
  void read(size_t row, void* out) const override { source_->read(row, out); }
  // Symmetric: value = scale * (code - 8). The value of largest magnitude in a group is -8 times the scale, an f16.
  void read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const override;

 private:
  std::unique_ptr<ops::RowSource> source_;
};

}  // namespace lanyard::model
