#include "monitor.h"

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <exception>

namespace lanyard::comm {
namespace {

constexpr size_t kMaxReason = 480;
constexpr size_t kMaxPayload = 512;
// Far more than a live connection ever has waiting; beats stop being queued above it.
constexpr size_t kMaxQueued = 4096;
constexpr char kReported[] = " (reported by rank ";
constexpr auto kLastWords = std::chrono::milliseconds(100);

}  // namespace

struct Monitor::Link {
  Link(int peer, Fd socket, const SessionKeys& keys)
      : rank(peer), fd(std::move(socket)), seal(Aead::Mode::seal, keys.send), open(Aead::Mode::open, keys.receive) {}

  int rank;
  Fd fd;
  Aead seal;
  Aead open;
  std::vector<uint8_t> out;
  std::array<uint8_t, kHeaderBytes + kMaxPayload + kTagBytes> in{};
  size_t in_bytes = 0;
  Clock::time_point heard = Clock::now();
  bool done = false;  // nothing more is expected of this connection
};

Monitor::Monitor(std::shared_ptr<GroupState> state, uint32_t epoch, std::chrono::milliseconds silence_timeout)
    : state_(std::move(state)), epoch_(epoch), silence_(silence_timeout), beat_(std::max<int64_t>(silence_timeout.count() / 6, 1)),
      thread_([this] { run(); }) {}

Monitor::~Monitor() {
  state_->close();
  thread_.join();
}

void Monitor::add(int rank, Fd fd, const SessionKeys& keys) {
  {
    std::lock_guard lock(mutex_);
    arriving_.push_back(std::make_unique<Link>(rank, std::move(fd), keys));
  }
  state_->wake_monitor();
}

void Monitor::run() noexcept {
  try {
    loop();
  } catch (const std::exception& error) {
    state_->fail(Failure::aborted, state_->own_rank(), std::string("watching the group failed: ") + error.what());
  }
  state_->set_announced();
}

void Monitor::take_new_links() {
  std::lock_guard lock(mutex_);
  for (auto& link : arriving_) links_.push_back(std::move(link));
  arriving_.clear();
}

void Monitor::loop() {
  auto next_beat = Clock::now();
  std::vector<pollfd> polled;
  for (;;) {
    take_new_links();
    polled.assign(1, {state_->monitor_wake(), POLLIN, 0});
    for (const auto& link : links_) {
      const short events = static_cast<short>(POLLIN | (link->out.empty() ? 0 : POLLOUT));
      polled.push_back({link->done ? -1 : link->fd.get(), events, 0});
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next_beat - Clock::now()).count();
    ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<int64_t>(wait, 0, beat_.count())));
    if ((polled[0].revents & POLLIN) != 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t n = ::read(state_->monitor_wake(), &count, sizeof count);
    }
    // Everything that has arrived is read before anyone is called silent: this thread itself may have been held up.
    for (auto& link : links_) drain(*link);
    if (state_->failed()) return announce_failure();
    if (state_->closing()) {
      take_new_links();
      return tell_all(Op::leave, {});
    }
    const auto now = Clock::now();
    for (const auto& link : links_) {
      if (!link->done && now - link->heard > silence_) {
        state_->fail(Failure::rank_lost, link->rank,
                     "rank " + std::to_string(link->rank) + " has been silent for " + std::to_string(silence_.count()) + " ms");
      }
    }
    if (now >= next_beat) {
      for (auto& link : links_) {
        if (!link->done && link->out.size() < kMaxQueued) queue(*link, Op::beat, {});
      }
      next_beat = now + beat_;
    }
    for (auto& link : links_) flush(*link);
  }
}

void Monitor::queue(Link& link, Op op, Bytes payload) {
  const size_t begin = link.out.size();
  link.out.resize(begin + kHeaderBytes + payload.size() + kTagBytes);
  uint8_t* frame = link.out.data() + begin;
  store_header(frame, {epoch_, 0, op, 0, 0, static_cast<uint32_t>(payload.size())});
  link.seal.seal({frame, kHeaderBytes}, payload, frame + kHeaderBytes);
}

void Monitor::flush(Link& link) {
  if (link.done || link.out.empty()) return;
  const ssize_t n = write_some(link.fd.get(), link.out.data(), link.out.size());
  // A broken connection shows in drain(), after whatever the peer still had to say.
  if (n > 0) link.out.erase(link.out.begin(), link.out.begin() + n);
}

void Monitor::drain(Link& link) {
  while (!link.done) {
    const ssize_t n = read_some(link.fd.get(), link.in.data() + link.in_bytes, link.in.size() - link.in_bytes);
    if (n == 0) return;
    if (n < 0) {
      link.done = true;
      if (!state_->left(link.rank)) {
        state_->fail(Failure::rank_lost, link.rank, "the connection to rank " + std::to_string(link.rank) + " ended");
      }
      return;
    }
    link.heard = Clock::now();
    link.in_bytes += static_cast<size_t>(n);
    size_t used = 0;
    while (!link.done && link.in_bytes - used >= kHeaderBytes + kTagBytes) {
      const uint8_t* frame = link.in.data() + used;
      const FrameHeader header = load_header(frame);
      const bool shaped = header.epoch == epoch_ && header.sequence == 0 && header.length <= kMaxPayload;
      const size_t sealed = header.length + kTagBytes;
      if (shaped && link.in_bytes - used < kHeaderBytes + sealed) break;
      std::array<uint8_t, kMaxPayload> payload;
      if (!shaped || !link.open.open({frame, kHeaderBytes}, {frame + kHeaderBytes, sealed}, payload.data())) {
        link.done = true;
        state_->fail(Failure::comm_corrupt, link.rank,
                     "a control frame from rank " + std::to_string(link.rank) + " is not what was sent");
        return;
      }
      used += kHeaderBytes + sealed;
      on_frame(link, header.op, {payload.data(), header.length});
    }
    std::memmove(link.in.data(), link.in.data() + used, link.in_bytes - used);
    link.in_bytes -= used;
  }
}

void Monitor::on_frame(Link& link, Op op, Bytes payload) {
  switch (op) {
    case Op::beat: return;
    case Op::leave: return state_->set_left(link.rank);
    case Op::abort: {
      if (payload.size() < 2 || payload[0] > static_cast<uint8_t>(Failure::comm_corrupt)) break;
      const int at_fault = payload[1] == 0xff ? -1 : payload[1];
      std::string reason(payload.begin() + 2, payload.end());
      if (reason.find(kReported) == std::string::npos) reason += kReported + std::to_string(link.rank) + ")";
      link.done = true;
      return state_->fail(static_cast<Failure>(payload[0]), at_fault, reason);
    }
    default: break;
  }
  link.done = true;
  state_->fail(Failure::comm_corrupt, link.rank, "rank " + std::to_string(link.rank) + " sent an unknown control frame");
}

// The last thing said on every connection; bounded, since the listener may be gone.
void Monitor::tell_all(Op op, Bytes payload) {
  for (auto& link : links_) {
    if (!link->done) queue(*link, op, payload);
  }
  const auto until = Clock::now() + kLastWords;
  for (;;) {
    std::vector<pollfd> waiting;
    for (auto& link : links_) {
      flush(*link);
      if (!link->done && !link->out.empty()) waiting.push_back({link->fd.get(), POLLOUT, 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (waiting.empty() || left <= 0) break;
    ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
    for (const auto& one : waiting) {
      if ((one.revents & (POLLERR | POLLHUP)) == 0) continue;
      for (auto& link : links_) {
        if (link->fd.get() == one.fd) link->done = true;
      }
    }
  }
  for (auto& link : links_) ::shutdown(link->fd.get(), SHUT_WR);
}

void Monitor::announce_failure() {
  take_new_links();
  Failure failure;
  int rank;
  std::string message;
  state_->describe(failure, rank, message);
  std::vector<uint8_t> payload{static_cast<uint8_t>(failure), static_cast<uint8_t>(rank < 0 ? 0xff : rank)};
  payload.insert(payload.end(), message.begin(), message.begin() + static_cast<ptrdiff_t>(std::min(message.size(), kMaxReason)));
  tell_all(Op::abort, payload);
}

}  // namespace lanyard::comm
