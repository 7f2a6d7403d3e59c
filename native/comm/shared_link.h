// The data path between two ranks of one machine: frames through memory that both map. Their TCP connection stays as
// the doorbell: one byte wakes a sleeping rank, and its end tells that the other process is gone.
//
// Nothing is sealed here. Only processes of the same user can reach this memory, and those could read the ranks' own.
#pragma once

#include "data_link.h"
#include "shared_memory.h"
#include "socket.h"

namespace lanyard::comm {

class SharedLink final : public DataLink {
 public:
  SharedLink(int rank, Fd doorbell, SharedMemory memory, bool is_creator, uint32_t epoch);

  bool waits() const noexcept override { return false; }
  Progress pump_send(size_t shareable) override;
  Progress pump_receive() override;
  bool inside_frame() const noexcept override { return frame_left_ > 0; }

  int fd() const noexcept override { return doorbell_.get(); }
  short before_sleep(bool& ready) noexcept override;
  void after_sleep(short found) noexcept override;

 private:
  void ring(std::atomic<uint32_t>& sleeper) noexcept;
  bool has_room(size_t bytes, bool& sane) noexcept;
  bool take_header();

  Fd doorbell_;
  SharedMemory memory_;
  Lane& out_;
  Lane& in_;
  uint64_t written_ = 0;     // own copies: what stands in the memory is only ever stored
  uint64_t taken_ = 0;
  uint64_t peer_taken_ = 0;  // as last read
  bool blocked_ = false;     // a frame waits for room
  bool closed_ = false;
  FrameHeader frame_;        // being received
  size_t frame_left_ = 0;
};

}  // namespace lanyard::comm
