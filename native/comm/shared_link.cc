#include "shared_link.h"

#include <poll.h>

#include <algorithm>
#include <cstring>

namespace lanyard::comm {
namespace {

// Headers and payloads begin on a line of their own, so that a header never wraps around the lane's end.
constexpr size_t kLine = 64;
// The reader works on the first part of a frame while the rest is being written.
constexpr size_t kPart = 4096;

constexpr size_t lines(size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }
constexpr size_t in_lane(uint64_t position) { return static_cast<size_t>(position % Lane::kLaneBytes); }

static_assert(Lane::kLaneBytes % kLine == 0 && Lane::kLaneBytes >= 2 * (kLine + lines(kFrameBytes)));

void copy_in(Lane& lane, uint64_t position, const uint8_t* from, size_t bytes) noexcept {
  const size_t at = in_lane(position), first = std::min(bytes, Lane::kLaneBytes - at);
  std::memcpy(lane.bytes + at, from, first);
  std::memcpy(lane.bytes, from + first, bytes - first);
}

void copy_out(const Lane& lane, uint64_t position, uint8_t* to, size_t bytes) noexcept {
  const size_t at = in_lane(position), first = std::min(bytes, Lane::kLaneBytes - at);
  std::memcpy(to, lane.bytes + at, first);
  std::memcpy(to + first, lane.bytes, bytes - first);
}

}  // namespace

SharedLink::SharedLink(int rank, Fd doorbell, SharedMemory memory, bool is_creator, uint32_t epoch)
    : DataLink(rank, epoch), doorbell_(std::move(doorbell)), memory_(std::move(memory)),
      out_(is_creator ? memory_.from_creator() : memory_.to_creator()),
      in_(is_creator ? memory_.to_creator() : memory_.from_creator()) {}

// After a position was stored: either this load sees that the other rank is about to sleep, or its last look before
// sleeping sees the position. Both sides have the full fence between their store and their load.
void SharedLink::ring(std::atomic<uint32_t>& sleeper) noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeper.load(std::memory_order_relaxed) == 0 || sleeper.exchange(0, std::memory_order_relaxed) == 0) return;
  const uint8_t bell = 1;
  // A full connection has unheard rings in it, and a broken one shows when this rank sleeps itself.
  write_some(doorbell_.get(), &bell, 1);
}

bool SharedLink::has_room(size_t bytes, bool& sane) noexcept {
  if (written_ - peer_taken_ + bytes <= Lane::kLaneBytes) return true;
  const uint64_t taken = out_.taken.load(std::memory_order_acquire);
  sane = taken >= peer_taken_ && taken <= written_;
  if (!sane) return false;
  peer_taken_ = taken;
  return written_ - peer_taken_ + bytes <= Lane::kLaneBytes;
}

DataLink::Progress SharedLink::pump_send(size_t shareable) {
  Progress progress = Progress::none;
  FrameHeader header;
  Outgoing payload;
  blocked_ = false;
  while (next_cut(shareable, header, payload)) {
    bool sane = true;
    if (!has_room(kLine + lines(payload.bytes), sane)) {
      if (!sane) return Progress::corrupt;
      blocked_ = true;
      break;
    }
    store_header(out_.bytes + in_lane(written_), header);
    written_ += kLine;
    for (size_t done = 0; done < payload.bytes; done += kPart) {
      const size_t part = std::min(kPart, payload.bytes - done);
      copy_in(out_, written_, payload.from + done, part);
      written_ += lines(part);
      out_.written.store(written_, std::memory_order_release);
    }
    mark_cut(header);
    bytes_sent_ += kHeaderBytes + payload.bytes;
    progress = Progress::some;
    ring(out_.reader_sleeps);
  }
  return progress == Progress::none && closed_ && blocked_ ? Progress::closed : progress;
}

bool SharedLink::take_header() {
  frame_ = load_header(in_.bytes + in_lane(taken_));
  if (!expected(frame_)) return false;
  settle(frame_);
  taken_ += kLine;
  frame_left_ = frame_.length;
  bytes_received_ += kHeaderBytes;
  return true;
}

DataLink::Progress SharedLink::pump_receive() {
  const uint64_t written = in_.written.load(std::memory_order_acquire);
  if (written - taken_ > Lane::kLaneBytes || written % kLine != 0) return Progress::corrupt;
  if (written == taken_) return closed_ ? Progress::closed : Progress::none;
  // A receive of nothing is complete at once: what is here belongs to a later operation.
  while (!received() && written != taken_) {
    if (frame_left_ == 0) {
      if (!take_header()) return Progress::corrupt;
      continue;
    }
    const size_t bytes = std::min<uint64_t>(frame_left_, written - taken_);
    copy_out(in_, taken_, place(frame_), bytes);
    mark_received(frame_, bytes);
    bytes_received_ += bytes;
    frame_left_ -= bytes;
    taken_ += frame_left_ == 0 ? lines(bytes) : bytes;
  }
  in_.taken.store(taken_, std::memory_order_release);
  ring(in_.writer_sleeps);
  return Progress::some;
}

short SharedLink::before_sleep(bool& ready) noexcept {
  const bool reading = !received();
  if (!reading && !blocked_) return 0;
  if (reading) in_.reader_sleeps.store(1, std::memory_order_relaxed);
  if (blocked_) out_.writer_sleeps.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (reading && in_.written.load(std::memory_order_relaxed) != taken_) ready = true;
  if (blocked_ && out_.taken.load(std::memory_order_relaxed) != peer_taken_) ready = true;
  return closed_ ? 0 : POLLIN;
}

void SharedLink::after_sleep(short found) noexcept {
  in_.reader_sleeps.store(0, std::memory_order_relaxed);
  out_.writer_sleeps.store(0, std::memory_order_relaxed);
  if (found == 0) return;
  uint8_t rings[64];
  ssize_t n;
  do n = read_some(doorbell_.get(), rings, sizeof rings);
  while (n > 0);
  closed_ = n < 0;
}

}  // namespace lanyard::comm
