// All-reduces of a mesh, started and finished apart.
#include <algorithm>
#include <array>

#include "mesh.h"
#include "wire.h"

namespace lanyard::comm {
namespace {

constexpr size_t kAlign = 64;
// Rounds over the connections in one call of progress(): what came meanwhile, and what that sets free.
constexpr int kRounds = 8;

size_t aligned(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct Range {
  size_t begin;
  size_t end;
  size_t size() const { return end - begin; }
};

// The part of `count` elements that a rank reduces in two-shot: whole blocks of `block`.
Range slice_of(int rank, int size, size_t count, size_t block) {
  const size_t r = static_cast<size_t>(rank), n = static_cast<size_t>(size), blocks = (count + block - 1) / block;
  const size_t each = blocks / n, rest = blocks % n;
  const size_t begin = r * each + std::min(r, rest), end = begin + each + (r < rest ? 1 : 0);
  return {std::min(begin * block, count), std::min(end * block, count)};
}

}  // namespace

static_assert(Communicator::kPartValues % wire_block(Wire::int8) == 0);

void MeshCommunicator::all_reduce_sum(float* data, size_t count, const IdleWork& idle) {
  if (in_flight_ > 0) throw std::logic_error("an all-reduce is on its way");
  launch(data, count, count);
  land(idle);
}

void MeshCommunicator::start_all_reduce(float* data, size_t count, size_t whole) {
  const auto started = Clock::now();
  launch(data, count, whole);
  progress();
  stats_.seconds += std::chrono::duration<double>(Clock::now() - started).count();
}

void MeshCommunicator::finish_all_reduce() { land({}); }

void MeshCommunicator::progress() noexcept {
  if (in_flight_ == 0 || size_ == 1 || state_->failed()) return;
  try {
    for (int round = 0; round < kRounds && move({.op = Op::all_reduce}, false); ++round) advance_all();
  } catch (const CommError&) {
    // The group keeps it, and every call from now on throws it.
  } catch (const std::exception& error) {
    state_->fail(Failure::aborted, rank_, error.what());
  }
}

// Rounds the values and gives the exchange to the connections that are free.
void MeshCommunicator::launch(float* data, size_t count, size_t whole) {
  if (in_flight_ == kInFlight) throw std::logic_error("too many all-reduces are on their way");
  const uint32_t sequence = begin(true);
  ++in_flight_;
  if (size_ == 1) return;  // a sum of one is itself, unrounded
  const Wire wire = options_.wire;
  Exchange& e = exchange(sequence);
  e.sequence = sequence;
  e.data = data;
  e.count = count;
  // By the whole's size: one-shot and two-shot round differently.
  e.two_shot = wire_bytes(wire, whole) >= two_shot_from_;
  e.spread = false;
  e.summed = e.shareable = 0;
  e.last_arrival = rank_;
  const Range own = e.two_shot ? slice_of(rank_, size_, count, wire_block(wire)) : Range{0, count};
  e.own = own.begin;
  e.own_count = own.size();
  const size_t bytes = aligned(wire_bytes(wire, count));
  e.stride = aligned(wire_bytes(wire, own.size()));
  const size_t needed = bytes * (e.two_shot ? 2 : 1) + e.stride * static_cast<size_t>(size_);
  if (needed > e.memory_bytes) {
    e.memory.reset();
    e.memory = std::make_unique_for_overwrite<uint8_t[]>(needed);
    e.memory_bytes = needed;
  }
  e.partial = e.memory.get();
  e.result = e.two_shot ? e.partial + bytes : nullptr;
  e.received = e.partial + bytes * (e.two_shot ? 2 : 1);
  to_wire(wire, data, count, e.partial);
  for (DataLink* peer : peers_) {
    if (peer->sent()) send_next(*peer);
    if (peer->received()) receive_next(*peer);
  }
}

// Waits for the oldest exchange.
void MeshCommunicator::land(const IdleWork& idle) {
  if (in_flight_ == 0) throw std::logic_error("no all-reduce is on its way");
  if (size_ > 1) {
    throw_if_failed();
    Exchange& e = exchange(oldest());
    finish({.op = Op::all_reduce, .meanwhile = idle, .exchange = &e});
    advance(e);  // nothing moves in an exchange of nothing
    ++stats_.last[static_cast<size_t>(e.last_arrival)];
  }
  --in_flight_;
}

// The next exchange for a connection whose message is through; false when there is none.
bool MeshCommunicator::send_next(DataLink& peer) {
  if (in_flight_ == 0 || peer.sending() == sequence_) return false;
  send_part(peer, exchange(in_flight(peer.sending()) ? peer.sending() + 1 : oldest()));
  return true;
}

bool MeshCommunicator::receive_next(DataLink& peer) {
  if (in_flight_ == 0 || peer.receiving() == sequence_) return false;
  receive_part(peer, exchange(in_flight(peer.receiving()) ? peer.receiving() + 1 : oldest()));
  return true;
}

void MeshCommunicator::send_part(DataLink& peer, const Exchange& e) {
  const auto at = [this](size_t value) { return wire_bytes(options_.wire, value); };
  if (!e.two_shot) return peer.send(Op::all_reduce, e.sequence, {e.partial, at(e.count)});
  const Range theirs = slice_of(peer.rank(), size_, e.count, wire_block(options_.wire));
  peer.send(Op::all_reduce, e.sequence, {e.partial + at(theirs.begin), at(theirs.size())}, {e.result + at(e.own), at(e.own_count)});
}

void MeshCommunicator::receive_part(DataLink& peer, const Exchange& e) {
  const auto at = [this](size_t value) { return wire_bytes(options_.wire, value); };
  const Incoming part{e.received + e.stride * static_cast<size_t>(peer.rank()), at(e.own_count)};
  if (!e.two_shot) return peer.receive(Op::all_reduce, e.sequence, part);
  const Range theirs = slice_of(peer.rank(), size_, e.count, wire_block(options_.wire));
  peer.receive(Op::all_reduce, e.sequence, part, {e.result + at(theirs.begin), at(theirs.size())});
}

// How many bytes of what this rank sums have come from every other.
size_t MeshCommunicator::arrived(const Exchange& e) const {
  size_t bytes = wire_bytes(options_.wire, e.own_count);
  for (const DataLink* peer : peers_) {
    const auto ahead = static_cast<int32_t>(peer->receiving() - e.sequence);
    if (ahead <= 0) bytes = std::min(bytes, ahead < 0 ? 0 : peer->received(0));
  }
  return bytes;
}

// Sums what has arrived, in rank order.
void MeshCommunicator::advance(Exchange& e) {
  const Wire wire = options_.wire;
  const auto at = [wire](size_t value) { return wire_bytes(wire, value); };
  const size_t n = e.summed < e.own_count ? whole_values(wire, arrived(e), e.own_count) - e.summed : 0;
  if (n > 0) {
    std::array<const uint8_t*, kMaxRanks> from{};
    for (int r = 0; r < size_; ++r) {
      const uint8_t* const part = r == rank_ ? e.partial + at(e.own) : e.received + e.stride * static_cast<size_t>(r);
      from[static_cast<size_t>(r)] = part + at(e.summed);
    }
    float* const to = e.data + e.own + e.summed;
    sum_in_rank_order(wire, from.data(), size_, n, to);
    if (e.two_shot) to_wire(wire, to, n, e.result + at(e.own + e.summed));
    e.summed += n;
    if (e.two_shot) e.shareable = at(e.summed);
  }
  if (!e.two_shot || e.spread || e.summed < e.own_count) return;
  const Wait whole{.op = Op::all_reduce, .exchange = &e};
  if (!std::all_of(peers_.begin(), peers_.end(), [&](const DataLink* peer) { return received(*peer, whole); })) return;
  // Everyone uses the rounded sums, their owner too.
  from_wire(wire, e.result, e.count, e.data);
  e.spread = true;
}

void MeshCommunicator::advance_all() {
  for (uint32_t sequence = oldest(); in_flight_ > 0 && sequence != sequence_ + 1; ++sequence) advance(exchange(sequence));
}

}  // namespace lanyard::comm
