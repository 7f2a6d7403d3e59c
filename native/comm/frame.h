// Frames: a 16-byte header (authenticated), the sealed payload, a 16-byte tag. Between ranks that share memory nothing is
// sealed and there is no tag.
//
//   0  u32  epoch
//   4  u32  sequence: which collective this belongs to (0 on the control channel)
//   8  u8   op
//   9  u8   phase: 1 in the sharing half of a two-shot all-reduce, else 0
//  10  u16  0
//  12  u32  length of the payload
//
// All little-endian.
#pragma once

#include <cstdint>
#include <cstring>

namespace lanyard::comm {

enum class Op : uint8_t { all_reduce = 1, gather = 2, broadcast = 3, blob = 4, place = 5, beat = 16, abort = 17, leave = 18 };

const char* op_name(Op op) noexcept;

constexpr size_t kHeaderBytes = 16;
// Payload of one frame. Longer messages are cut, so that sealing, sending and opening overlap.
constexpr size_t kFrameBytes = 32 * 1024;

struct FrameHeader {
  uint32_t epoch = 0;
  uint32_t sequence = 0;
  Op op = Op::beat;
  uint8_t phase = 0;
  uint16_t zero = 0;
  uint32_t length = 0;

  bool operator==(const FrameHeader&) const = default;
};

inline void store_u32(uint8_t* to, uint32_t value) noexcept {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> (8 * i));
}

inline uint32_t load_u32(const uint8_t* from) noexcept {
  return static_cast<uint32_t>(from[0]) | static_cast<uint32_t>(from[1]) << 8 | static_cast<uint32_t>(from[2]) << 16 |
         static_cast<uint32_t>(from[3]) << 24;
}

inline void store_header(uint8_t* to, const FrameHeader& header) noexcept {
  store_u32(to, header.epoch);
  store_u32(to + 4, header.sequence);
  to[8] = static_cast<uint8_t>(header.op);
  to[9] = header.phase;
  to[10] = static_cast<uint8_t>(header.zero);
  to[11] = static_cast<uint8_t>(header.zero >> 8);
  store_u32(to + 12, header.length);
}

inline FrameHeader load_header(const uint8_t* from) noexcept {
  return {load_u32(from), load_u32(from + 4), static_cast<Op>(from[8]), from[9],
          static_cast<uint16_t>(from[10] | from[11] << 8), load_u32(from + 12)};
}

}  // namespace lanyard::comm
