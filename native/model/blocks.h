// Blocks of llama.cpp's formats: values of a row with their scales in front of or behind them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "spec.h"

namespace lanyard::model {

struct BlockShape {
  size_t columns;  // in a block
  size_t bytes;    // of a block
  size_t group;    // columns that share a scale
};

// The shape of an encoding's blocks; columns = 0 for encodings with tables of their own.
BlockShape block_shape(Encoding encoding);

// value = scale * code + bias. codes [columns], scales and biases [columns / group].
void read_block(Encoding encoding, const uint8_t* block, uint8_t* codes, float* scales, float* biases);

}  // namespace lanyard::model
