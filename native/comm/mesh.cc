#include "mesh.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "wire.h"

namespace lanyard::comm {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A rank's failure is told to the others before it is thrown here, but not waited for longer than this.
constexpr auto kAnnounce = milliseconds(150);
// When a data connection ends, the control channel usually knows why within this time.
constexpr auto kCause = milliseconds(250);
// Between a rank's goodbye and giving up waiting for work.
constexpr auto kAfterGoodbye = milliseconds(1000);
// Polite spinning begins after this: other ranks of the same machine may need the core.
constexpr auto kImpolite = microseconds(20);

microseconds spin_time(int requested) {
  if (requested >= 0) return microseconds(requested);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // The main thread's: the calling one may be pinned.
  const bool several = ::sched_getaffinity(::getpid(), sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) >= 2;
  return microseconds(several ? 100 : 0);
}

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

MeshCommunicator::MeshCommunicator(const GroupOptions& options, std::shared_ptr<GroupState> state,
                                 std::unique_ptr<Monitor> monitor, std::vector<std::unique_ptr<SealedLink>> links)
    : options_(options), rank_(options.rank), size_(options.size), spin_(spin_time(options.spin_micros)),
      state_(std::move(state)), links_(std::make_move_iterator(links.begin()), std::make_move_iterator(links.end())),
      monitor_(std::move(monitor)),
      two_shot_from_(options.algorithm == Algorithm::two_shot ? 0 : kNever) {
  for (int step = 1; step < size_; ++step) peers_.push_back(&link((rank_ + step) % size_));
  stats_.last.resize(static_cast<size_t>(size_));
}

MeshCommunicator::~MeshCommunicator() {
  monitor_.reset();  // says goodbye while the data connections still stand
}

void MeshCommunicator::abort(const std::string& reason) noexcept { state_->fail(Failure::aborted, rank_, reason); }

CommStats MeshCommunicator::stats() const {
  CommStats stats = stats_;
  stats.bytes_sent -= before_.bytes_sent;
  stats.bytes_received -= before_.bytes_received;
  for (const DataLink* peer : peers_) {
    stats.bytes_sent += peer->bytes_sent();
    stats.bytes_received += peer->bytes_received();
  }
  return stats;
}

void MeshCommunicator::fail(Failure failure, int rank, const std::string& message) {
  state_->fail(failure, rank, message);
  state_->wait_announced(kAnnounce);
  state_->raise();
}

void MeshCommunicator::on_closed(int peer) {
  const auto until = Clock::now() + kCause;
  while (!state_->failed() && !state_->left(peer) && Clock::now() < until) state_->wait_failed(milliseconds(5));
  if (state_->left(peer)) {
    fail(Failure::aborted, peer, "rank " + std::to_string(peer) + " left the group while it was still needed");
  }
  fail(Failure::rank_lost, peer, "the connection to rank " + std::to_string(peer) + " ended");
}

void MeshCommunicator::on_corrupt(int peer, Op op) {
  fail(Failure::comm_corrupt, peer,
       "what came from rank " + std::to_string(peer) + " during operation " + std::to_string(sequence_) + " (" + op_name(op) +
           ") is not what was sent, or that rank is at another operation");
}

void MeshCommunicator::throw_if_failed() {
  if (!state_->failed()) return;
  state_->wait_announced(kAnnounce);
  state_->raise();
}

uint32_t MeshCommunicator::begin(bool beside) {
  throw_if_failed();
  if (in_flight_ > 0 && !beside) throw std::logic_error("an all-reduce is on its way");
  shareable_ = 0;
  ++stats_.operations;
  return ++sequence_;
}

uint8_t* MeshCommunicator::scratch(size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset();
    scratch_ = std::make_unique_for_overwrite<uint8_t[]>(bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

// Is this connection through with what is waited for?
bool MeshCommunicator::sent(const DataLink& peer, const Wait& wait) {
  if (!wait.exchange || peer.sending() == wait.exchange->sequence) return peer.sent();
  return static_cast<int32_t>(peer.sending() - wait.exchange->sequence) > 0;
}

bool MeshCommunicator::received(const DataLink& peer, const Wait& wait) {
  if (!wait.exchange || peer.receiving() == wait.exchange->sequence) return peer.received();
  return static_cast<int32_t>(peer.receiving() - wait.exchange->sequence) > 0;
}

// Once both ways on all connections; true when anything moved. waiting: whoever comes now has been waited for.
bool MeshCommunicator::move(const Wait& wait, bool waiting) {
  bool moved = false;
  const auto check = [&](DataLink& peer, DataLink::Progress progress) {
    if (progress == DataLink::Progress::closed) on_closed(peer.rank());
    if (progress == DataLink::Progress::corrupt) on_corrupt(peer.rank(), wait.op);
    moved |= progress == DataLink::Progress::some;
  };
  for (DataLink* peer : peers_) {
    do {
      check(*peer, peer->pump_send(in_flight(peer->sending()) ? exchange(peer->sending()).shareable : shareable_));
    } while (peer->sent() && send_next(*peer));
  }
  for (DataLink* peer : peers_) {
    do {
      if (peer->received()) continue;
      const bool had_first = peer->received_first();
      check(*peer, peer->pump_receive());
      // By first phases: in the second a rank that is not late itself passes on the wait for another.
      const bool is_first = !had_first && peer->received_first();
      if (waiting && is_first && wait.exchange && peer->receiving() == wait.exchange->sequence) {
        wait.exchange->last_arrival = peer->rank();
      }
    } while (peer->received() && receive_next(*peer));
  }
  return moved;
}

// Moves bytes until what is waited for is through on all connections.
void MeshCommunicator::finish(const Wait& wait) {
  bool has_work = wait.meanwhile.step != nullptr;
  const auto started = Clock::now();
  auto idle_since = started;
  auto deadline = wait.idle ? Clock::time_point::max() : std::max(started + options_.op_timeout, wait.at_least);
  bool first_look = true;
  for (;;) {
    const bool moved = move(wait, !first_look);
    first_look = false;
    if (moved) advance_all();
    bool pending = false;
    for (const DataLink* peer : peers_) pending |= !sent(*peer, wait) || !received(*peer, wait);
    if (!pending) break;
    throw_if_failed();
    const auto now = Clock::now();
    if (moved) {
      idle_since = now;
      if (deadline == Clock::time_point::max()) deadline = now + options_.op_timeout;
      continue;
    }
    // What comes at once must not wait for a piece of it.
    if (has_work && now - idle_since >= kImpolite) {
      has_work = wait.meanwhile.step(wait.meanwhile.context);
      if (has_work) continue;
    }
    if (now - idle_since < spin_) {
      if (now - idle_since < kImpolite) relax();
      else ::sched_yield();
      continue;
    }
    give_up_if_late(wait, now, idle_since, deadline);
    if (wait.idle && deadline == Clock::time_point::max() && state_->left_ranks() != 0) deadline = now + kAfterGoodbye;
    sleep_until(deadline);
  }
  if (wait.counted) stats_.seconds += std::chrono::duration<double>(Clock::now() - started).count();
}

void MeshCommunicator::give_up_if_late(const Wait& wait, Clock::time_point now, Clock::time_point idle_since,
                                      Clock::time_point deadline) {
  const auto name = [](int rank) { return "rank " + std::to_string(rank); };
  if (now - idle_since > 2 * options_.silence_timeout) {
    for (const DataLink* peer : peers_) {
      if (!peer->received() && peer->inside_frame()) {
        fail(Failure::comm_corrupt, peer->rank(), "a frame from " + name(peer->rank()) + " stopped in its middle");
      }
    }
  }
  if (now < deadline) return;
  for (const DataLink* peer : peers_) {
    if (sent(*peer, wait) && received(*peer, wait)) continue;
    if (wait.idle && state_->left_ranks() != 0) {
      for (int rank = 0; rank < size_; ++rank) {
        if (state_->left(rank)) fail(Failure::aborted, rank, name(rank) + " left the group");
      }
    }
    fail(Failure::group_timeout, peer->rank(),
         name(peer->rank()) + " did not come through operation " + std::to_string(wait.exchange ? wait.exchange->sequence : sequence_) + " (" + op_name(wait.op) +
             ") within " + std::to_string(options_.op_timeout.count()) + " ms");
  }
}

void MeshCommunicator::sleep_until(Clock::time_point deadline) {
  std::array<pollfd, kMaxRanks> polled;
  size_t count = 0;
  bool ready = false;
  polled[count++] = {state_->caller_wake(), POLLIN, 0};
  for (DataLink* peer : peers_) {
    const short events = peer->before_sleep(ready);
    polled[count++] = {events == 0 ? -1 : peer->fd(), events, 0};
  }
  auto limit = ready ? milliseconds(0) : options_.silence_timeout;
  if (deadline != Clock::time_point::max()) {
    limit = std::min(limit, std::chrono::ceil<milliseconds>(deadline - Clock::now()));
  }
  ::poll(polled.data(), count, static_cast<int>(std::max<int64_t>(limit.count(), 0)));
  for (size_t i = 1; i < count; ++i) peers_[i - 1]->after_sleep(polled[i].revents);
  if ((polled[0].revents & POLLIN) != 0) state_->drain_caller_wake();
}

void MeshCommunicator::gather(const void* send, size_t bytes, void* receive, int root) {
  const uint32_t sequence = begin();
  const auto* from = static_cast<const uint8_t*>(send);
  if (rank_ != root) {
    link(root).send(Op::gather, sequence, {from, bytes});
  } else {
    auto* to = static_cast<uint8_t*>(receive);
    for (DataLink* peer : peers_) {
      peer->receive(Op::gather, sequence, {to + static_cast<size_t>(peer->rank()) * bytes, bytes});
    }
    uint8_t* const own = to + static_cast<size_t>(rank_) * bytes;
    if (bytes > 0 && own != from) std::memmove(own, from, bytes);
  }
  finish({Op::gather});
}

void MeshCommunicator::broadcast(void* data, size_t bytes, int root) {
  const uint32_t sequence = begin();
  auto* memory = static_cast<uint8_t*>(data);
  if (rank_ == root) {
    for (DataLink* peer : peers_) peer->send(Op::broadcast, sequence, {memory, bytes});
  } else {
    link(root).receive(Op::broadcast, sequence, {memory, bytes});
  }
  finish({Op::broadcast});
}

// The first frame holds the whole length and as much of the blob as fits: a step's plan is one frame.
void MeshCommunicator::broadcast_blob(std::vector<std::byte>& blob, int root) {
  constexpr size_t kLength = 8;
  const uint32_t sequence = begin();
  uint8_t* const first = scratch(kFrameBytes);
  auto* bytes = reinterpret_cast<uint8_t*>(blob.data());
  if (rank_ == root) {
    const size_t with_length = std::min(blob.size(), kFrameBytes - kLength);
    for (size_t i = 0; i < kLength; ++i) first[i] = static_cast<uint8_t>(uint64_t{blob.size()} >> (8 * i));
    std::copy_n(bytes, with_length, first + kLength);
    for (DataLink* peer : peers_) {
      peer->send(Op::blob, sequence, {first, kLength + with_length}, {bytes + with_length, blob.size() - with_length});
    }
    shareable_ = blob.size();
    finish({Op::blob});
    return;
  }
  DataLink& source = link(root);
  source.receive_any(Op::blob, sequence, first, kLength);
  finish({Op::blob, true, false});
  uint64_t length = 0;
  for (size_t i = 0; i < kLength; ++i) length |= uint64_t{first[i]} << (8 * i);
  const size_t with_length = source.received(0) - kLength;
  if (length > options_.max_blob || with_length != std::min<uint64_t>(length, kFrameBytes - kLength)) {
    on_corrupt(root, Op::blob);
  }
  blob.resize(length);
  bytes = reinterpret_cast<uint8_t*>(blob.data());
  std::copy_n(first + kLength, with_length, bytes);
  if (length == with_length) return;
  source.receive_rest({bytes + with_length, length - with_length});
  finish({Op::blob});
}

double MeshCommunicator::measure(size_t elements, int rounds) {
  std::vector<float> data(elements);
  std::vector<double> micros;
  all_reduce_sum(data.data(), elements, {});
  for (int round = 0; round < rounds; ++round) {
    const auto started = Clock::now();
    all_reduce_sum(data.data(), elements, {});
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - started).count());
  }
  if (micros.empty()) return 0;
  const auto middle = micros.begin() + static_cast<ptrdiff_t>(micros.size() / 2);
  std::nth_element(micros.begin(), middle, micros.end());
  return *middle;
}

}  // namespace lanyard::comm
