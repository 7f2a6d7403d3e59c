// The two matrices that make keys and values of a latent, out of the published one: of each head `plain` rows for its keys, then
// `value` rows for its values, all as wide as the latent.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "../ops/ops.h"
#include "spec.h"

namespace lanyard::model {

using LatentValues = std::shared_ptr<const std::vector<float>>;  // [heads * (plain + value)][rank]

// [heads * rank, plain]: a query times it is a query for latents.
class KeyRows final : public ops::RowSource {
 public:
  KeyRows(LatentValues values, size_t heads, const LatentSpec& latent)
      : values_(std::move(values)), rank_(latent.rank), head_(static_cast<size_t>(latent.plain + latent.value) * rank_) {
    rows = heads * rank_;
    cols = latent.plain;
  }
  void read(size_t row, void* out) const override {
    const float* from = values_->data() + row / rank_ * head_ + row % rank_;
    for (size_t c = 0; c < cols; ++c) static_cast<float*>(out)[c] = from[c * rank_];
  }

 private:
  LatentValues values_;
  size_t rank_, head_;
};

// [heads * value, rank]: makes a head's values of latents.
class ValueRows final : public ops::RowSource {
 public:
  ValueRows(LatentValues values, size_t heads, const LatentSpec& latent)
      : values_(std::move(values)), plain_(latent.plain), value_(latent.value) {
    rows = heads * value_;
    cols = latent.rank;
  }
  void read(size_t row, void* out) const override {
    const size_t from = row / value_ * (plain_ + value_) + plain_ + row % value_;
    std::memcpy(out, values_->data() + from * cols, cols * sizeof(float));
  }

 private:
  LatentValues values_;
  size_t plain_, value_;
};

}  // namespace lanyard::model
