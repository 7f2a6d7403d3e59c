#include "data_link.h"

#include <algorithm>

namespace lanyard::comm {

const char* op_name(Op op) noexcept {
  switch (op) {
    case Op::all_reduce: return "all-reduce";
    case Op::gather: return "gather";
    case Op::broadcast: return "broadcast";
    case Op::blob: return "broadcast of a blob";
    case Op::place: return "finding ranks on the same machine";
    case Op::beat: return "heartbeat";
    case Op::abort: return "abort";
    case Op::leave: return "leave";
  }
  return "unknown operation";
}

void DataLink::send(Op op, uint32_t sequence, Outgoing first, Outgoing second) noexcept {
  send_op_ = op;
  send_sequence_ = sequence;
  outgoing_ = {first, second};
  cut_ = {0, 0};
}

void DataLink::receive(Op op, uint32_t sequence, Incoming first, Incoming second) noexcept {
  receive_op_ = op;
  receive_sequence_ = sequence;
  incoming_ = {first, second};
  received_ = {0, 0};
  any_ = false;
}

void DataLink::receive_any(Op op, uint32_t sequence, uint8_t* to, size_t least) noexcept {
  receive(op, sequence, {to, kFrameBytes});
  any_ = true;
  least_ = least;
}

void DataLink::receive_rest(Incoming second) noexcept {
  incoming_[1] = second;
  received_[1] = 0;
}

bool DataLink::next_cut(size_t shareable, FrameHeader& header, Outgoing& payload) const noexcept {
  const size_t phase = cut_[0] < outgoing_[0].bytes ? 0 : 1;
  const size_t length = std::min(outgoing_[phase].bytes - cut_[phase], kFrameBytes);
  if (length == 0 || (phase == 1 && shareable < cut_[1] + length)) return false;
  header = {epoch_, send_sequence_, send_op_, static_cast<uint8_t>(phase), 0, static_cast<uint32_t>(length)};
  payload = {outgoing_[phase].from + cut_[phase], length};
  return true;
}

bool DataLink::expected(const FrameHeader& header) const noexcept {
  const size_t phase = received_[0] < incoming_[0].bytes ? 0 : 1;
  const size_t length = std::min(incoming_[phase].bytes - received_[phase], kFrameBytes);
  const FrameHeader wanted{epoch_, receive_sequence_, receive_op_, static_cast<uint8_t>(phase), 0,
                           any_ ? header.length : static_cast<uint32_t>(length)};
  return header == wanted && header.length <= length && (!any_ || header.length >= least_);
}

void DataLink::settle(const FrameHeader& header) noexcept {
  if (!any_) return;
  any_ = false;
  incoming_[0].bytes = header.length;
}

}  // namespace lanyard::comm
