#include "wire.h"

#include <algorithm>
#include <cstring>

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

constexpr size_t kBlock = 2048;  // elements whose running sum stays in the first-level cache

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

}  // namespace

void to_wire(Wire wire, const float* from, size_t count, uint8_t* to) noexcept {
  if (count == 0) return;
  if (wire == Wire::f32) std::memcpy(to, from, count * 4);
  else encode_bf16(from, count, reinterpret_cast<uint16_t*>(to));
}

void from_wire(Wire wire, const uint8_t* from, size_t count, float* to) noexcept {
  if (count == 0) return;
  if (wire == Wire::f32) std::memcpy(to, from, count * 4);
  else decode_bf16(reinterpret_cast<const uint16_t*>(from), count, to);
}

void sum_in_rank_order(Wire wire, const uint8_t* const* parts, int ranks, size_t count, float* to) noexcept {
  const size_t width = wire_bytes(wire);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t n = std::min(kBlock, count - begin);
    from_wire(wire, parts[0] + begin * width, n, to + begin);
    for (int rank = 1; rank < ranks; ++rank) {
      const uint8_t* part = parts[rank] + begin * width;
      if (wire == Wire::f32) add_f32(reinterpret_cast<const float*>(part), n, to + begin);
      else add_bf16(reinterpret_cast<const uint16_t*>(part), n, to + begin);
    }
  }
}

}  // namespace lanyard::comm
