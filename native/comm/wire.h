// Conversions between f32 and the wire type, and the sum in rank order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "communicator.h"

namespace lanyard::comm {

constexpr size_t wire_bytes(Wire wire) noexcept { return wire == Wire::bf16 ? 2 : 4; }

// Round to nearest even; a NaN stays a NaN.
inline uint16_t to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const uint32_t quiet_nan = (bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded);
}

inline float from_bf16(uint16_t value) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

// to[count * wire_bytes(wire)] = from[count]
void to_wire(Wire wire, const float* from, size_t count, uint8_t* to) noexcept;

// to[count] = from[count * wire_bytes(wire)]
void from_wire(Wire wire, const uint8_t* from, size_t count, float* to) noexcept;

// to[count] = parts[0] + parts[1] + … + parts[ranks-1], added from the left in f32; parts are in the wire type.
void sum_in_rank_order(Wire wire, const uint8_t* const* parts, int ranks, size_t count, float* to) noexcept;

}  // namespace lanyard::comm
