// Number formats: what a stored value is, and the exact way to f32 and the rounded way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lanyard::ops {

// i8: one f32 scale per row. i4: groups of 32 values along a row, one f16 scale each, value = scale * (q - 8).
// Low-bit types of published checkpoints, in groups of 16 to 128 values along a row, one f32 scale (and bias) each:
// i4g, i8g: value = scale * q + bias, q unsigned. f4g: scale * e2m1. f8g: scale * e4m3.
enum class DType : uint8_t { f32, f16, bf16, i8, i4, i4g, i8g, f4g, f8g };

// How a matrix of i4g or i8g keeps scales and biases; f4g and f8g have f32 scales.
//   symmetric  f16 scale; the middle of the range is zero: bias = -8 or -128 times the scale
//   zeros      f16 scale and zero point, which is a small whole number: bias = -zero * scale
//   biases     f16 scale and bias
//   pairs      f32 scale and bias
enum class Factors : uint8_t { symmetric, zeros, biases, pairs };

inline constexpr int kDTypes = 9;
inline constexpr int kInt4Group = 32;

constexpr bool is_grouped(DType dtype) { return dtype >= DType::i4g; }
constexpr bool has_biases(DType dtype) { return dtype == DType::i4g || dtype == DType::i8g; }

// Bytes of one plain value as files store it (f32, f16, bf16).
constexpr size_t stored_bytes(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

constexpr const char* dtype_name(DType dtype) {
  constexpr const char* names[kDTypes] = {"f32", "f16", "bf16", "int8", "int4", "int4 groups", "int8 groups", "fp4 groups", "fp8 groups"};
  return names[static_cast<int>(dtype)];
}

inline float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// bf16 is the upper half of an f32.
inline float bf16_to_float(uint16_t value) { return bits_to_float(static_cast<uint32_t>(value) << 16); }

// Round to nearest even; a NaN stays one.
inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = float_to_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// f16: 1 sign, 5 exponent (bias 15), 10 mantissa. Multiplying by 2^112 moves the bias and makes denormals right.
inline float f16_to_float(uint16_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(value & 0x7fffu) << 13;
  if (magnitude >= 0x0f800000u) return bits_to_float(sign | magnitude | 0x7f800000u);  // inf, NaN
  return bits_to_float(sign | float_to_bits(bits_to_float(magnitude) * 0x1p112f));
}

// Round to nearest even. Too large becomes infinity.
inline uint16_t float_to_f16(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and above
  if (magnitude < 0x38800000u) {
    // Below 2^-14: adding 0.5 lets the f32 unit round to multiples of 2^-24.
    return sign | static_cast<uint16_t>(float_to_bits(bits_to_float(magnitude) + 0.5f) & 0x7ffu);
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13);
}

}  // namespace lanyard::ops
