// The data connection to one rank: messages cut into sealed frames, moved without ever blocking.
//
// A message is up to two segments (phases); frames never cross from one to the next, so both sides know every header
// in advance and anything unexpected is refused before it is waited for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "crypto.h"
#include "frame.h"
#include "handshake.h"
#include "socket.h"

namespace lanyard::comm {

struct Outgoing {
  const uint8_t* from = nullptr;
  size_t bytes = 0;
};

struct Incoming {
  uint8_t* to = nullptr;
  size_t bytes = 0;
};

class DataLink {
 public:
  enum class Progress { none, some, closed, corrupt };

  DataLink(int rank, Fd fd, const SessionKeys& keys, uint32_t epoch);

  int rank() const noexcept { return rank_; }
  int fd() const noexcept { return fd_.get(); }

  // Starts a message; the one before it has been sent whole. The memory stays valid until sent().
  void send(Op op, uint32_t sequence, Outgoing first, Outgoing second = {});
  // Starts receiving a message; the one before it has been received whole.
  void receive(Op op, uint32_t sequence, Incoming first, Incoming second = {});
  // Receives one frame whose length the sender chose: at least `least` and at most kFrameBytes. `to` has kFrameBytes.
  void receive_any(Op op, uint32_t sequence, uint8_t* to, size_t least);
  // Goes on to receive the second phase of a message begun by receive_any.
  void receive_rest(Incoming second);

  // Seals and writes what can be written. Of the second segment only `shareable` bytes exist yet.
  Progress pump_send(size_t shareable);
  // Reads and opens what has arrived.
  Progress pump_receive();

  bool sent() const noexcept { return out_begin_ == out_end_ && sealed_[0] == outgoing_[0].bytes && sealed_[1] == outgoing_[1].bytes; }
  bool received() const noexcept { return !any_ && received_[0] == incoming_[0].bytes && received_[1] == incoming_[1].bytes; }
  size_t received(int phase) const noexcept { return received_[static_cast<size_t>(phase)]; }
  bool wants_to_write() const noexcept { return out_begin_ != out_end_; }
  bool inside_frame() const noexcept { return in_begin_ != in_end_; }

  uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  uint64_t bytes_received() const noexcept { return bytes_received_; }

 private:
  bool seal_next(size_t shareable);
  Progress open_buffered();
  bool expected(const FrameHeader& header) const noexcept;

  const int rank_;
  const uint32_t epoch_;
  Fd fd_;
  Aead seal_;
  Aead open_;

  Op send_op_ = Op::beat;
  uint32_t send_sequence_ = 0;
  std::array<Outgoing, 2> outgoing_{};
  std::array<size_t, 2> sealed_{};
  std::unique_ptr<uint8_t[]> out_;
  size_t out_begin_ = 0;
  size_t out_end_ = 0;

  Op receive_op_ = Op::beat;
  uint32_t receive_sequence_ = 0;
  std::array<Incoming, 2> incoming_{};
  std::array<size_t, 2> received_{};
  bool any_ = false;
  size_t least_ = 0;
  std::unique_ptr<uint8_t[]> in_;
  size_t in_begin_ = 0;
  size_t in_end_ = 0;

  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
};

}  // namespace lanyard::comm
