// Reading ahead: while a collective waits for other ranks, each thread takes the first panels of its next product into
// its second-level cache. The waiting is then not lost, as single tokens are bound by reading weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "matrix.h"

namespace lanyard::ops::cpu {

// Bytes that a thread may read ahead: they must survive in its cache until they are used. 0 switches it off. The environment
// variable LANYARD_AHEAD_KB overrides it (for measuring).
size_t ahead_bytes();

class Ahead {
 public:
  // What `thread` reads first of `next`, `most` bytes of it.
  Ahead(const PackedMatrix& next, int thread, int threads, size_t most = ahead_bytes());

  // Some lines more; false when there are none left.
  bool step() noexcept;

  // What is still to be read.
  std::span<const uint8_t> rest() const { return {at_, end_}; }

 private:
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
};

}  // namespace lanyard::ops::cpu
