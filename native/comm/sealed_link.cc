#include "sealed_link.h"

#include <poll.h>

#include <cstring>

namespace lanyard::comm {
namespace {

constexpr size_t kWholeFrame = kHeaderBytes + kFrameBytes + kTagBytes;
// Room for frames that arrived together, and for those of a rank that is ahead.
constexpr size_t kStaging = 8 * kWholeFrame;

}  // namespace

SealedLink::SealedLink(int rank, Fd fd, const SessionKeys& keys, uint32_t epoch)
    : DataLink(rank, epoch), fd_(std::move(fd)), seal_(Aead::Mode::seal, keys.send),
      open_(Aead::Mode::open, keys.receive), out_(std::make_unique_for_overwrite<uint8_t[]>(kWholeFrame)),
      in_(std::make_unique_for_overwrite<uint8_t[]>(kStaging)) {}

bool SealedLink::seal_next(size_t shareable) {
  FrameHeader header;
  Outgoing payload;
  if (!next_cut(shareable, header, payload)) return false;
  store_header(out_.get(), header);
  seal_.seal({out_.get(), kHeaderBytes}, {payload.from, payload.bytes}, out_.get() + kHeaderBytes);
  mark_cut(header);
  out_begin_ = 0;
  out_end_ = kHeaderBytes + payload.bytes + kTagBytes;
  backlog_ = true;
  return true;
}

DataLink::Progress SealedLink::pump_send(size_t shareable) {
  Progress progress = Progress::none;
  for (;;) {
    if (!backlog_ && !seal_next(shareable)) return progress;
    const ssize_t n = write_some(fd_.get(), out_.get() + out_begin_, out_end_ - out_begin_);
    if (n < 0) return Progress::closed;
    if (n == 0) return progress;
    out_begin_ += static_cast<size_t>(n);
    bytes_sent_ += static_cast<uint64_t>(n);
    progress = Progress::some;
    backlog_ = out_begin_ != out_end_;
    if (backlog_) return progress;
  }
}

DataLink::Progress SealedLink::pump_receive() {
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
  return open_buffered() == Progress::corrupt ? Progress::corrupt : Progress::some;
}

DataLink::Progress SealedLink::open_buffered() {
  Progress progress = Progress::none;
  while (!received() && in_end_ - in_begin_ >= kHeaderBytes) {
    const uint8_t* frame = in_.get() + in_begin_;
    const FrameHeader header = load_header(frame);
    if (!expected(header)) return Progress::corrupt;
    const size_t sealed = header.length + kTagBytes;
    if (in_end_ - in_begin_ < kHeaderBytes + sealed) break;
    if (!open_.open({frame, kHeaderBytes}, {frame + kHeaderBytes, sealed}, place(header))) return Progress::corrupt;
    settle(header);
    mark_received(header, header.length);
    in_begin_ += kHeaderBytes + sealed;
    bytes_received_ += kHeaderBytes + sealed;
    progress = Progress::some;
  }
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  return progress;
}

short SealedLink::before_sleep(bool&) noexcept {
  return static_cast<short>((received() ? 0 : POLLIN) | (backlog_ ? POLLOUT : 0));
}

}  // namespace lanyard::comm
