// One rank's end of the data path to another rank: messages cut into frames, moved without ever blocking. How frames
// travel is a subclass: sealed over TCP (sealed_link.h), or through memory that both ranks map (shared_link.h).
//
// A message is up to two segments (phases); frames never cross from one to the next, so both sides know every header
// in advance and anything unexpected is refused before it is waited for.
#pragma once

#include <array>
#include <cstdint>

#include "frame.h"

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

  virtual ~DataLink() = default;
  DataLink(const DataLink&) = delete;
  DataLink& operator=(const DataLink&) = delete;

  int rank() const noexcept { return rank_; }
  // Are bytes on their way while no rank works on them?
  virtual bool waits() const noexcept = 0;

  // Starts a message; the one before it has been sent whole. The memory stays valid until sent().
  void send(Op op, uint32_t sequence, Outgoing first, Outgoing second = {}) noexcept;
  // Starts receiving a message; the one before it has been received whole.
  void receive(Op op, uint32_t sequence, Incoming first, Incoming second = {}) noexcept;
  // Receives one frame whose length the sender chose: at least `least` and at most kFrameBytes. `to` has kFrameBytes.
  void receive_any(Op op, uint32_t sequence, uint8_t* to, size_t least) noexcept;
  // Goes on to receive the second phase of a message begun by receive_any.
  void receive_rest(Incoming second) noexcept;

  // Sends what can be sent now. Of the second segment only `shareable` bytes exist yet.
  virtual Progress pump_send(size_t shareable) = 0;
  // Takes in what has arrived.
  virtual Progress pump_receive() = 0;

  bool sent() const noexcept { return !backlog_ && cut_[0] == outgoing_[0].bytes && cut_[1] == outgoing_[1].bytes; }
  bool received() const noexcept { return !any_ && received_[0] == incoming_[0].bytes && received_[1] == incoming_[1].bytes; }
  bool received_first() const noexcept { return !any_ && received_[0] == incoming_[0].bytes; }
  size_t received(int phase) const noexcept { return received_[static_cast<size_t>(phase)]; }
  uint32_t sending() const noexcept { return send_sequence_; }  // the message that was started last
  uint32_t receiving() const noexcept { return receive_sequence_; }
  virtual bool inside_frame() const noexcept = 0;

  // Sleeping: poll() on fd() for the events that before_sleep() returns, then tell after_sleep() what it found. 0 when
  // there is nothing to wait for here; `ready` is set when something has come meanwhile and nobody should sleep.
  virtual int fd() const noexcept = 0;
  virtual short before_sleep(bool& ready) noexcept = 0;
  virtual void after_sleep(short found) noexcept = 0;

  uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  uint64_t bytes_received() const noexcept { return bytes_received_; }

 protected:
  DataLink(int rank, uint32_t epoch) : rank_(rank), epoch_(epoch) {}

  // The next frame of the message being sent; false when there is none, or not yet. mark_cut() when it is on its way.
  bool next_cut(size_t shareable, FrameHeader& header, Outgoing& payload) const noexcept;
  void mark_cut(const FrameHeader& header) noexcept { cut_[header.phase] += header.length; }

  // Is this the header that must come next?
  bool expected(const FrameHeader& header) const noexcept;
  // Where the next byte of an expected frame's payload belongs.
  uint8_t* place(const FrameHeader& header) const noexcept { return incoming_[header.phase].to + received_[header.phase]; }
  // An expected frame has begun to count: a length that its sender chose is known from now on.
  void settle(const FrameHeader& header) noexcept;
  void mark_received(const FrameHeader& header, size_t bytes) noexcept { received_[header.phase] += bytes; }

  const int rank_;
  const uint32_t epoch_;
  bool backlog_ = false;  // frames were cut whose bytes have not all gone out
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;

 private:
  Op send_op_ = Op::beat;
  uint32_t send_sequence_ = 0;
  std::array<Outgoing, 2> outgoing_{};
  std::array<size_t, 2> cut_{};

  Op receive_op_ = Op::beat;
  uint32_t receive_sequence_ = 0;
  std::array<Incoming, 2> incoming_{};
  std::array<size_t, 2> received_{};
  bool any_ = false;
  size_t least_ = 0;
};

}  // namespace lanyard::comm
