// What ranks of a mesh do between joining and use.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "mesh.h"
#include "shared_link.h"
#include "wire.h"

namespace lanyard::comm {

using std::chrono::milliseconds;

void MeshCommunicator::prepare(Clock::time_point until) {
  share_memory(until);
  choose_algorithm();
  choose_overlap();
  before_ = {};
  before_ = stats();
  const size_t ranks = stats_.last.size();
  stats_ = {};
  stats_.last.resize(ranks);
}

// Every rank says where it is. Of two in one place the lower makes the memory and the higher says whether it could open
// it; both then leave TCP behind. All of it travels sealed, so an offer is the other rank's own.
void MeshCommunicator::share_memory(Clock::time_point until) {
  using Place = std::array<uint8_t, 32>;
  struct Pair {
    Place theirs{};
    SharedMemory::Offer offer;
    SharedMemory memory;
    uint8_t agreed = 0;
  };
  const Wait wait{.op = Op::place, .counted = false, .at_least = until};
  const auto bytes = [](auto& value) { return reinterpret_cast<uint8_t*>(&value); };
  const Place own = options_.transport == Transport::tcp ? Place{} : own_place();
  std::vector<Pair> pairs(static_cast<size_t>(size_));

  uint32_t sequence = begin();
  for (DataLink* peer : peers_) {
    Pair& pair = pairs[static_cast<size_t>(peer->rank())];
    peer->send(Op::place, sequence, {own.data(), own.size()});
    peer->receive(Op::place, sequence, {pair.theirs.data(), pair.theirs.size()});
  }
  finish(wait);
  std::vector<DataLink*> near;
  for (DataLink* peer : peers_) {
    if (own != Place{} && pairs[static_cast<size_t>(peer->rank())].theirs == own) near.push_back(peer);
  }

  sequence = begin();
  for (DataLink* peer : near) {
    Pair& pair = pairs[static_cast<size_t>(peer->rank())];
    if (rank_ < peer->rank()) {
      pair.memory = SharedMemory::create(pair.offer);
      peer->send(Op::place, sequence, {bytes(pair.offer), sizeof pair.offer});
    } else {
      peer->receive(Op::place, sequence, {bytes(pair.offer), sizeof pair.offer});
    }
  }
  finish(wait);

  sequence = begin();
  for (DataLink* peer : near) {
    Pair& pair = pairs[static_cast<size_t>(peer->rank())];
    if (rank_ < peer->rank()) {
      peer->receive(Op::place, sequence, {&pair.agreed, 1});
    } else {
      if (pair.offer.process != 0) pair.memory = SharedMemory::open(pair.offer);
      pair.agreed = pair.memory ? 1 : 0;
      peer->send(Op::place, sequence, {&pair.agreed, 1});
    }
  }
  finish(wait);

  for (DataLink* peer : near) {
    const int rank = peer->rank();
    Pair& pair = pairs[static_cast<size_t>(rank)];
    if (pair.agreed != 1 || !pair.memory) continue;
    pair.memory.close_file();
    // All links are sealed ones until here.
    Fd doorbell = static_cast<SealedLink*>(peer)->release();
    links_[static_cast<size_t>(rank)] =
        std::make_unique<SharedLink>(rank, std::move(doorbell), std::move(pair.memory), rank_ < rank, options_.epoch);
  }
  for (size_t i = 0; i < peers_.size(); ++i) peers_[i] = &link((rank_ + static_cast<int>(i) + 1) % size_);
}

void MeshCommunicator::choose_algorithm() {
  if (options_.algorithm != Algorithm::measured || size_ <= 2) return;
  constexpr size_t kSizes[] = {4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};
  constexpr auto kBudget = milliseconds(500);
  constexpr int kRounds = 5;
  const auto started = Clock::now();
  uint64_t from = kNever;
  for (const size_t bytes : kSizes) {
    const size_t elements = whole_values(options_.wire, bytes, kNever / 8);
    two_shot_from_ = kNever;
    const double one = measure(elements, kRounds);
    two_shot_from_ = 0;
    const double two = measure(elements, kRounds);
    if (two >= one) from = kNever;
    else if (from == kNever) from = bytes;
    uint8_t more = Clock::now() - started < kBudget;
    broadcast(&more, 1, 0);
    if (more == 0) break;
  }
  broadcast(&from, sizeof from, 0);
  two_shot_from_ = from;
}

void MeshCommunicator::choose_overlap() {
  overlap_ = options_.overlap;
  if (const char* wanted = std::getenv("LANYARD_LANES")) {
    overlap_ = std::strcmp(wanted, "0") == 0 ? Overlap::never : Overlap::always;
  }
  broadcast(&overlap_, sizeof overlap_, 0);
  const auto waits = [](const DataLink* peer) { return peer->waits(); };
  auto over_tcp = static_cast<float>(std::count_if(peers_.begin(), peers_.end(), waits));
  all_reduce_sum(&over_tcp, 1, {});
  if (overlap_ == Overlap::automatic && over_tcp == 0) overlap_ = Overlap::never;
}

}  // namespace lanyard::comm
