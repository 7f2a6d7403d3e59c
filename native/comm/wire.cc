#include "wire.h"

#include <algorithm>
#include <cstring>
#include <limits>

// Two copies of each loop, the better one chosen when the library is loaded. Not under sanitizers, whose run-time is
// not up yet at that moment.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LANYARD_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define LANYARD_CLONES
#endif

namespace lanyard::comm {
namespace {

constexpr size_t kChunk = 2048;  // elements whose running sum stays in the first-level cache; whole blocks

constexpr size_t kBlock = wire_block(Wire::int8);
constexpr size_t kScale = sizeof(float);
constexpr int32_t kInfinity = 0x7f800000;
// 127 · 2^-126: below it a scale would lose bits to denormals, and its inverse might overflow.
constexpr int32_t kLeast = 0x03fe0000;
static_assert(kChunk % kBlock == 0);

LANYARD_CLONES void encode_bf16(const float* from, size_t count, uint16_t* to) {
  for (size_t i = 0; i < count; ++i) to[i] = to_bf16(from[i]);
}

LANYARD_CLONES void decode_bf16(const uint16_t* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] = from_bf16(from[i]);
}

LANYARD_CLONES void add_bf16(const uint16_t* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] += from_bf16(from[i]);
}

LANYARD_CLONES void add_f32(const float* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] += from[i];
}

// Multiplying and adding stay two roundings (-ffp-contract=off): ranks on other processors must get the same bits.

__attribute__((always_inline)) inline void encode_block(const float* from, size_t count, uint8_t* to) {
  // Magnitudes compare like integers, and what is not finite is above all numbers.
  int32_t largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::bit_cast<int32_t>(from[i]) & 0x7fffffff);
  if (largest >= kInfinity || largest < kLeast) {
    const float scale = largest < kLeast ? 0 : std::numeric_limits<float>::quiet_NaN();
    std::memcpy(to, &scale, kScale);
    std::memset(to + kScale, 0, count);
    return;
  }
  const float magnitude = std::bit_cast<float>(largest), scale = magnitude / 127, inverse = 127 / magnitude;
  std::memcpy(to, &scale, kScale);
  // Adding 1.5 · 2^23 rounds to nearest even, and leaves the integer in the lowest bits.
  for (size_t i = 0; i < count; ++i) {
    to[kScale + i] = static_cast<uint8_t>(std::bit_cast<uint32_t>(from[i] * inverse + 0x1.8p23F));
  }
}

template <bool add>
__attribute__((always_inline)) inline void decode_block(const uint8_t* from, size_t count, float* to) {
  float scale;
  std::memcpy(&scale, from, kScale);
  for (size_t i = 0; i < count; ++i) {
    const float value = scale * static_cast<float>(static_cast<int8_t>(from[kScale + i]));
    to[i] = add ? to[i] + value : value;
  }
}

LANYARD_CLONES void encode_int8(const float* from, size_t count, uint8_t* to) {
  for (; count >= kBlock; count -= kBlock, from += kBlock, to += kScale + kBlock) encode_block(from, kBlock, to);
  if (count > 0) encode_block(from, count, to);
}

LANYARD_CLONES void decode_int8(const uint8_t* from, size_t count, float* to) {
  for (; count >= kBlock; count -= kBlock, from += kScale + kBlock, to += kBlock) decode_block<false>(from, kBlock, to);
  if (count > 0) decode_block<false>(from, count, to);
}

LANYARD_CLONES void add_int8(const uint8_t* from, size_t count, float* to) {
  for (; count >= kBlock; count -= kBlock, from += kScale + kBlock, to += kBlock) decode_block<true>(from, kBlock, to);
  if (count > 0) decode_block<true>(from, count, to);
}

}  // namespace

const char* wire_name(Wire wire) noexcept {
  switch (wire) {
    case Wire::bf16: return "bf16";
    case Wire::f32: return "f32";
    case Wire::int8: return "int8";
  }
  return "unknown";
}

std::optional<Wire> wire_named(std::string_view name) noexcept {
  for (const Wire wire : {Wire::bf16, Wire::f32, Wire::int8}) {
    if (name == wire_name(wire)) return wire;
  }
  return std::nullopt;
}

void to_wire(Wire wire, const float* from, size_t count, uint8_t* to) noexcept {
  if (count == 0) return;
  switch (wire) {
    case Wire::f32: std::memcpy(to, from, count * 4); break;
    case Wire::bf16: encode_bf16(from, count, reinterpret_cast<uint16_t*>(to)); break;
    case Wire::int8: encode_int8(from, count, to); break;
  }
}

void from_wire(Wire wire, const uint8_t* from, size_t count, float* to) noexcept {
  if (count == 0) return;
  switch (wire) {
    case Wire::f32: std::memcpy(to, from, count * 4); break;
    case Wire::bf16: decode_bf16(reinterpret_cast<const uint16_t*>(from), count, to); break;
    case Wire::int8: decode_int8(from, count, to); break;
  }
}

void sum_in_rank_order(Wire wire, const uint8_t* const* parts, int ranks, size_t count, float* to) noexcept {
  for (size_t begin = 0; begin < count; begin += kChunk) {
    const size_t n = std::min(kChunk, count - begin), at = wire_bytes(wire, begin);
    from_wire(wire, parts[0] + at, n, to + begin);
    for (int rank = 1; rank < ranks; ++rank) {
      const uint8_t* part = parts[rank] + at;
      switch (wire) {
        case Wire::f32: add_f32(reinterpret_cast<const float*>(part), n, to + begin); break;
        case Wire::bf16: add_bf16(reinterpret_cast<const uint16_t*>(part), n, to + begin); break;
        case Wire::int8: add_int8(part, n, to + begin); break;
      }
    }
  }
}

}  // namespace lanyard::comm
