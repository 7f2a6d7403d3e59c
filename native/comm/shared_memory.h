// A piece of memory that two ranks of one machine map: a lane of bytes in each direction.
//
// It is an anonymous file (memfd): it has no name in any folder and is gone with its last user, however that ends. The
// other rank opens it through /proc, which the kernel allows to processes of the same user only.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "socket.h"

namespace lanyard::comm {

// One direction. Positions only grow; written - taken bytes are waiting, at most kLaneBytes.
struct Lane {
  static constexpr size_t kLaneBytes = 256 * 1024;

  alignas(64) std::atomic<uint64_t> written;       // by the writer
  std::atomic<uint32_t> writer_sleeps;             // set by the writer, taken by the reader
  alignas(64) std::atomic<uint64_t> taken;         // by the reader
  std::atomic<uint32_t> reader_sleeps;             // set by the reader, taken by the writer
  alignas(64) uint8_t bytes[kLaneBytes];
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

class SharedMemory {
 public:
  using Token = std::array<uint8_t, 32>;

  // Where another rank finds the memory: a file descriptor of a process, and what must be written in it.
  struct Offer {
    uint32_t process = 0;  // 0: no offer
    uint32_t descriptor = 0;
    Token token{};
  };

  SharedMemory() = default;
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  // New memory, and the offer for the other rank. Empty when the system refuses.
  static SharedMemory create(Offer& offer);
  // The memory behind an offer. Empty when it cannot be opened, or is not what was offered.
  static SharedMemory open(const Offer& offer);

  explicit operator bool() const noexcept { return segment_ != nullptr; }
  Lane& from_creator() const noexcept { return segment_->lanes[0]; }
  Lane& to_creator() const noexcept { return segment_->lanes[1]; }

  // The other rank has it: nobody else can open it from here on.
  void close_file() noexcept { file_.close(); }

 private:
  struct Segment {
    Token token;
    Lane lanes[2];
  };
  static SharedMemory map(Fd file);

  Fd file_;
  Segment* segment_ = nullptr;
};

// What two processes must have in common to share memory: the running kernel, the network (ranks in different network
// namespaces stand for different machines), the numbering of processes, the user. All zero when that cannot be told.
std::array<uint8_t, 32> own_place();

}  // namespace lanyard::comm
