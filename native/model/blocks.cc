#include "blocks.h"

#include <cstring>

namespace lanyard::model {
namespace {

float half(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return ops::f16_to_float(bits);
}

// f16 scale, 32 signed bytes.
void read_q8_0(const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  for (int i = 0; i < 32; ++i) codes[i] = block[2 + i] ^ 0x80u;
  scales[0] = half(block);
  biases[0] = -128.0f * scales[0];
}

// f16 scale, 16 bytes: the low nibbles are the first half, 8 is zero.
void read_q4_0(const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = block[2 + i] & 15;
    codes[16 + i] = block[2 + i] >> 4;
  }
  scales[0] = half(block);
  biases[0] = -8.0f * scales[0];
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low bits of bytes 0-7, of the
// others the low nibbles in bytes 8-11 and the high bits above the first ones.
void read_k_scales(const uint8_t* block, float* scales, float* biases) {
  const float scale = half(block), minimum = half(block + 2);
  const uint8_t* p = block + 4;
  for (int i = 0; i < 8; ++i) {
    const int s = i < 4 ? p[i] & 63 : (p[i + 4] & 15) | (p[i - 4] >> 6) << 4;
    const int m = i < 4 ? p[i + 4] & 63 : (p[i + 4] >> 4) | (p[i] >> 6) << 4;
    scales[i] = scale * static_cast<float>(s);
    biases[i] = -minimum * static_cast<float>(m);
  }
}

// Scales, then per 64 values 32 bytes: low nibbles are the first half of them.
void read_q4_k(const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  read_k_scales(block, scales, biases);
  for (int run = 0; run < 4; ++run) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t two = block[16 + run * 32 + i];
      codes[run * 64 + i] = two & 15;
      codes[run * 64 + 32 + i] = two >> 4;
    }
  }
}

// As q4_k; 32 bytes between hold the fifth bits, bit n those of the n-th run of 32 values.
void read_q5_k(const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  read_k_scales(block, scales, biases);
  for (int run = 0; run < 4; ++run) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t two = block[48 + run * 32 + i], high = block[16 + i];
      codes[run * 64 + i] = static_cast<uint8_t>((two & 15) | ((high >> (2 * run)) & 1) << 4);
      codes[run * 64 + 32 + i] = static_cast<uint8_t>((two >> 4) | ((high >> (2 * run + 1)) & 1) << 4);
    }
  }
}

// 128 bytes of nibbles, 64 of two high bits each, 16 signed scales, f16 scale of all; 32 is zero.
void read_q6_k(const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  const float scale = half(block + 208);
  for (int g = 0; g < 16; ++g) {
    scales[g] = scale * static_cast<float>(static_cast<int8_t>(block[192 + g]));
    biases[g] = -32.0f * scales[g];
  }
  for (int run = 0; run < 2; ++run) {
    const uint8_t* low = block + run * 64;
    const uint8_t* high = block + 128 + run * 32;
    for (int i = 0; i < 128; ++i) {
      const uint8_t two = low[i % 64];
      codes[run * 128 + i] = static_cast<uint8_t>((i < 64 ? two & 15 : two >> 4) | ((high[i % 32] >> (i / 32 * 2)) & 3) << 4);
    }
  }
}

}  // namespace

BlockShape block_shape(Encoding encoding) {
  switch (encoding) {
    case Encoding::q8_0: return {32, 34, 32};
    case Encoding::q4_0: return {32, 18, 32};
    case Encoding::q4_k: return {256, 144, 32};
    case Encoding::q5_k: return {256, 176, 32};
    case Encoding::q6_k: return {256, 210, 16};
    default: return {0, 0, 0};
  }
}

void read_block(Encoding encoding, const uint8_t* block, uint8_t* codes, float* scales, float* biases) {
  switch (encoding) {
    case Encoding::q8_0: return read_q8_0(block, codes, scales, biases);
    case Encoding::q4_0: return read_q4_0(block, codes, scales, biases);
    case Encoding::q4_k: return read_q4_k(block, codes, scales, biases);
    case Encoding::q5_k: return read_q5_k(block, codes, scales, biases);
    case Encoding::q6_k: return read_q6_k(block, codes, scales, biases);
    default: return;
  }
}

}  // namespace lanyard::model
