#include "rounded.h"

#include <algorithm>
#include <cmath>

namespace lanyard::model {

RoundedRows::RoundedRows(std::unique_ptr<ops::RowSource> source, int columns) : source_(std::move(source)) {
  dtype = source_->dtype;
  rows = source_->rows;
  cols = source_->cols;
  low = ops::DType::i4g;
  group = columns;
  factors = ops::Factors::symmetric;
}

void RoundedRows::read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const {
  thread_local std::vector<float> values;
  values.resize(cols);
  ops::read_f32(*source_, row, values.data());
  for (size_t first = 0, g = 0; first < cols; first += group, ++g) {
    const size_t end = std::min(first + group, cols);
    float extreme = 0;
    for (size_t c = first; c < end; ++c) {
      if (std::fabs(values[c]) > std::fabs(extreme)) extreme = values[c];
    }
    const float scale = ops::f16_to_float(ops::float_to_f16(extreme / -8.0f));
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    for (size_t c = first; c < end; ++c) {
      codes[c] = static_cast<uint8_t>(std::clamp(std::nearbyint(values[c] * inverse) + 8.0f, 0.0f, 15.0f));
    }
    scales[g] = scale;
    biases[g] = -8.0f * scale;
  }
}

}  // namespace lanyard::model
