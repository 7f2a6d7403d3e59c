// Conversions between f32 and the wire type, and the sum in rank order.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "communicator.h"

namespace lanyard::comm {

// Values that travel together: as int8 they share a scale, so parts of a message begin at multiples of this.
constexpr size_t wire_block(Wire wire) noexcept { return wire == Wire::int8 ? 64 : 1; }

// Of `count` values from a block's beginning. An int8 block is its scale (f32), then one byte per value; the last block of
// a message may have fewer values.
constexpr size_t wire_bytes(Wire wire, size_t count) noexcept {
  if (wire == Wire::int8) return count + (count + wire_block(wire) - 1) / wire_block(wire) * sizeof(float);
  return count * (wire == Wire::bf16 ? 2 : 4);
}

// How many of a message's `count` values its first `bytes` hold, in whole blocks.
constexpr size_t whole_values(Wire wire, size_t bytes, size_t count) noexcept {
  if (bytes == wire_bytes(wire, count)) return count;
  return bytes / wire_bytes(wire, wire_block(wire)) * wire_block(wire);
}

// Round to nearest even; a NaN stays a NaN.
inline uint16_t to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const uint32_t quiet_nan = (bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded);
}

inline float from_bf16(uint16_t value) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

// to[wire_bytes(wire, count)] = from[count]. As int8: nearest multiples of the largest magnitude in the block / 127. What is
// not finite makes its whole block NaN, so that it is seen on every rank; a block below 2^-119 becomes 0.
void to_wire(Wire wire, const float* from, size_t count, uint8_t* to) noexcept;

// to[count] = from[wire_bytes(wire, count)]: the same bits on every processor (but for the sign and payload of a NaN)
void from_wire(Wire wire, const uint8_t* from, size_t count, float* to) noexcept;

// to[count] = parts[0] + parts[1] + … + parts[ranks-1], added from the left in f32; parts are in the wire type.
void sum_in_rank_order(Wire wire, const uint8_t* const* parts, int ranks, size_t count, float* to) noexcept;

}  // namespace lanyard::comm
