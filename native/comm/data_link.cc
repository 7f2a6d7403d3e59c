#include "data_link.h"

#include <algorithm>
#include <cstring>

namespace lanyard::comm {
namespace {

constexpr size_t kWholeFrame = kHeaderBytes + kFrameBytes + kTagBytes;
// Room for frames that arrived together, and for those of a rank that is ahead.
constexpr size_t kStaging = 8 * kWholeFrame;

}  // namespace

const char* op_name(Op op) noexcept {
  switch (op) {
    case Op::all_reduce: return "all-reduce";
    case Op::gather: return "gather";
    case Op::broadcast: return "broadcast";
    case Op::blob: return "broadcast of a blob";
    case Op::beat: return "heartbeat";
    case Op::abort: return "abort";
    case Op::leave: return "leave";
  }
  return "unknown operation";
}

DataLink::DataLink(int rank, Fd fd, const SessionKeys& keys, uint32_t epoch)
    : rank_(rank), epoch_(epoch), fd_(std::move(fd)), seal_(Aead::Mode::seal, keys.send),
      open_(Aead::Mode::open, keys.receive), out_(std::make_unique_for_overwrite<uint8_t[]>(kWholeFrame)),
      in_(std::make_unique_for_overwrite<uint8_t[]>(kStaging)) {}

void DataLink::send(Op op, uint32_t sequence, Outgoing first, Outgoing second) {
  send_op_ = op;
  send_sequence_ = sequence;
  outgoing_ = {first, second};
  sealed_ = {0, 0};
}

void DataLink::receive(Op op, uint32_t sequence, Incoming first, Incoming second) {
  receive_op_ = op;
  receive_sequence_ = sequence;
  incoming_ = {first, second};
  received_ = {0, 0};
  any_ = false;
}

void DataLink::receive_any(Op op, uint32_t sequence, uint8_t* to, size_t least) {
  receive(op, sequence, {to, kFrameBytes});
  any_ = true;
  least_ = least;
}

void DataLink::receive_rest(Incoming second) {
  incoming_[1] = second;
  received_[1] = 0;
}

bool DataLink::seal_next(size_t shareable) {
  const size_t phase = sealed_[0] < outgoing_[0].bytes ? 0 : 1;
  const size_t length = std::min(outgoing_[phase].bytes - sealed_[phase], kFrameBytes);
  if (length == 0 || (phase == 1 && shareable < sealed_[1] + length)) return false;
  store_header(out_.get(), {epoch_, send_sequence_, send_op_, static_cast<uint8_t>(phase), static_cast<uint32_t>(length)});
  seal_.seal({out_.get(), kHeaderBytes}, {outgoing_[phase].from + sealed_[phase], length}, out_.get() + kHeaderBytes);
  sealed_[phase] += length;
  out_begin_ = 0;
  out_end_ = kHeaderBytes + length + kTagBytes;
  return true;
}

DataLink::Progress DataLink::pump_send(size_t shareable) {
  Progress progress = Progress::none;
  for (;;) {
    if (out_begin_ == out_end_ && !seal_next(shareable)) return progress;
    const ssize_t n = write_some(fd_.get(), out_.get() + out_begin_, out_end_ - out_begin_);
    if (n < 0) return Progress::closed;
    if (n == 0) return progress;
    out_begin_ += static_cast<size_t>(n);
    bytes_sent_ += static_cast<uint64_t>(n);
    progress = Progress::some;
    if (out_begin_ != out_end_) return progress;
  }
}

DataLink::Progress DataLink::pump_receive() {
  Progress progress = open_buffered();
  if (progress == Progress::corrupt || received()) return progress;
  if (kStaging - in_end_ < kWholeFrame) {
    std::memmove(in_.get(), in_.get() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  const ssize_t n = read_some(fd_.get(), in_.get() + in_end_, kStaging - in_end_);
  if (n < 0) return Progress::closed;
  if (n == 0) return progress;
  in_end_ += static_cast<size_t>(n);
  bytes_received_ += static_cast<uint64_t>(n);
  return open_buffered() == Progress::corrupt ? Progress::corrupt : Progress::some;
}

bool DataLink::expected(const FrameHeader& header) const noexcept {
  const size_t phase = received_[0] < incoming_[0].bytes ? 0 : 1;
  const size_t length = std::min(incoming_[phase].bytes - received_[phase], kFrameBytes);
  const FrameHeader wanted{epoch_, receive_sequence_, receive_op_, static_cast<uint8_t>(phase),
                           any_ ? header.length : static_cast<uint32_t>(length)};
  return header == wanted && header.length <= length && (!any_ || header.length >= least_);
}

DataLink::Progress DataLink::open_buffered() {
  Progress progress = Progress::none;
  while (!received() && in_end_ - in_begin_ >= kHeaderBytes) {
    const uint8_t* frame = in_.get() + in_begin_;
    const FrameHeader header = load_header(frame);
    if (!expected(header)) return Progress::corrupt;
    const size_t sealed = header.length + kTagBytes;
    if (in_end_ - in_begin_ < kHeaderBytes + sealed) break;
    const size_t phase = header.phase;
    if (!open_.open({frame, kHeaderBytes}, {frame + kHeaderBytes, sealed}, incoming_[phase].to + received_[phase])) {
      return Progress::corrupt;
    }
    received_[phase] += header.length;
    if (any_) {
      any_ = false;
      incoming_[0].bytes = header.length;
    }
    in_begin_ += kHeaderBytes + sealed;
    progress = Progress::some;
  }
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  return progress;
}

}  // namespace lanyard::comm
