// The links between two ranks by themselves: any message in any rhythm, and everything that may go wrong on the way.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <tuple>

#include "comm_check.h"
#include "link_check.h"
#include "sealed_link.h"
#include "shared_link.h"

using namespace check;

namespace {

using Progress = DataLink::Progress;
constexpr uint32_t kEpoch = 9;

struct Pair {
  std::unique_ptr<DataLink> a, b;
};

Pair sealed_pair() {
  Fd a, b;
  std::tie(a, b) = socket_pair();
  return {std::make_unique<SealedLink>(1, std::move(a), session_keys(1, 2), kEpoch),
          std::make_unique<SealedLink>(0, std::move(b), session_keys(2, 1), kEpoch)};
}

// Two ranks that share memory, and a third mapping of it for whoever wants to spoil it.
struct SharedPair {
  Pair links;
  SharedMemory spoiler;
};

SharedPair shared_pair() {
  Fd a, b;
  std::tie(a, b) = socket_pair();
  SharedMemory::Offer offer;
  SharedMemory created = SharedMemory::create(offer), opened = SharedMemory::open(offer), third = SharedMemory::open(offer);
  if (!created || !opened || !third) throw std::runtime_error("no shared memory");
  created.close_file();
  SharedPair pair;
  pair.links.a = std::make_unique<SharedLink>(1, std::move(a), std::move(created), true, kEpoch);
  pair.links.b = std::make_unique<SharedLink>(0, std::move(b), std::move(opened), false, kEpoch);
  pair.spoiler = std::move(third);
  return pair;
}

std::vector<uint8_t> random_bytes_of(std::mt19937_64& random, size_t bytes) {
  std::vector<uint8_t> out(bytes);
  for (auto& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

// Messages of all sizes both ways at once, the ends pumped in random order, the second phase set free bit by bit.
void any_rhythm(Pair pair, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (uint32_t sequence = 1; sequence <= 60; ++sequence) {
    struct Way {
      DataLink *from, *to;
      std::vector<uint8_t> first, second, got_first, got_second;
      size_t shareable = 0;
    };
    Way ways[2] = {{pair.a.get(), pair.b.get(), {}, {}, {}, {}}, {pair.b.get(), pair.a.get(), {}, {}, {}, {}}};
    for (Way& way : ways) {
      way.first = random_bytes_of(random, random() % (size_t{1} << random() % 20));
      way.second = random_bytes_of(random, random() % (size_t{1} << random() % 18));
      way.got_first.resize(way.first.size());
      way.got_second.resize(way.second.size());
      way.from->send(Op::all_reduce, sequence, {way.first.data(), way.first.size()}, {way.second.data(), way.second.size()});
      way.to->receive(Op::all_reduce, sequence, {way.got_first.data(), way.got_first.size()}, {way.got_second.data(), way.got_second.size()});
    }
    int turns = 0;
    for (const auto through = [](const Way& w) { return w.from->sent() && w.to->received(); }; !through(ways[0]) || !through(ways[1]); ++turns) {
      if (turns > 200000) throw std::runtime_error("a message got stuck");
      Way& way = ways[random() % 2];
      way.shareable = std::min(way.second.size(), way.shareable + random() % 50000);
      const auto progress = random() % 2 == 0 ? way.from->pump_send(way.shareable)
                            : way.to->received() ? Progress::none : way.to->pump_receive();
      if (progress == Progress::closed || progress == Progress::corrupt) throw std::runtime_error("a good message was refused");
    }
    for (const Way& way : ways) {
      if (way.first != way.got_first || way.second != way.got_second) throw std::runtime_error("a message arrived changed");
    }
  }
  CHECK(pair.a->bytes_sent() == pair.b->bytes_received() && pair.b->bytes_sent() == pair.a->bytes_received());
}

// The bytes that a sealed link sends for one message.
class Tapped {
 public:
  Tapped() {
    Fd end;
    std::tie(end, tap_) = socket_pair();
    link_ = std::make_unique<SealedLink>(1, std::move(end), session_keys(1, 2), kEpoch);
  }
  std::vector<uint8_t> frame(uint32_t sequence, const std::vector<uint8_t>& payload) {
    link_->send(Op::broadcast, sequence, {payload.data(), payload.size()});
    link_->pump_send(0);
    std::vector<uint8_t> bytes(payload.size() + 1000);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(read_some(tap_.get(), bytes.data(), bytes.size()), 0)));
    return bytes;
  }

 private:
  Fd tap_;
  std::unique_ptr<SealedLink> link_;
};

// Feeds bytes to a link that expects message 1, then 2; what became of it.
struct Fed {
  Progress progress = Progress::none;
  int messages = 0;
};
Fed feed(const std::vector<std::vector<uint8_t>>& pieces, size_t payload, bool then_close = false) {
  Fd end, mouth;
  std::tie(end, mouth) = socket_pair();
  SealedLink link(0, std::move(end), session_keys(2, 1), kEpoch);
  std::vector<uint8_t> into(payload);
  Fed fed;
  uint32_t sequence = 1;
  link.receive(Op::broadcast, sequence, {into.data(), into.size()});
  for (const auto& piece : pieces) {
    if (!piece.empty() && write_some(mouth.get(), piece.data(), piece.size()) < 0) break;
    for (int turn = 0; turn < 4; ++turn) {
      fed.progress = link.pump_receive();
      if (fed.progress == Progress::corrupt || fed.progress == Progress::closed) return fed;
      if (!link.received()) continue;
      ++fed.messages;
      link.receive(Op::broadcast, ++sequence, {into.data(), into.size()});
    }
  }
  if (then_close) {
    mouth.close();
    fed.progress = link.pump_receive();
  }
  return fed;
}

void changed_frames() {
  const std::vector<uint8_t> payload(77, 5);
  const auto good = Tapped().frame(1, payload);
  CHECK(good.size() == kHeaderBytes + payload.size() + kTagBytes);
  CHECK(feed({good}, payload.size()).messages == 1);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const uint8_t change : {0x01, 0x80}) {
      auto bad = good;
      bad[at] ^= change;
      const Fed fed = feed({bad}, payload.size());
      CHECK(fed.progress == Progress::corrupt && fed.messages == 0, "byte %zu", at);
    }
  }
}

void frames_out_of_place() {
  const std::vector<uint8_t> payload(1000, 5);
  Tapped sender;
  const auto first = sender.frame(1, payload), second = sender.frame(2, payload), third = sender.frame(2, payload);
  CHECK(feed({first, second}, payload.size()).messages == 2);
  const Fed repeated = feed({first, first}, payload.size());
  CHECK(repeated.progress == Progress::corrupt && repeated.messages == 1);
  const Fed swapped = feed({second, first}, payload.size());
  CHECK(swapped.progress == Progress::corrupt && swapped.messages == 0);
  // The right header, but sealed as the third frame: one was dropped.
  const Fed dropped = feed({first, third}, payload.size());
  CHECK(dropped.progress == Progress::corrupt && dropped.messages == 1);
  auto cut = first;
  cut.resize(cut.size() - 1);
  const Fed ended = feed({cut}, payload.size(), true);
  CHECK(ended.progress == Progress::closed && ended.messages == 0);
}

void reflected_frame() {
  Fd end, other;
  std::tie(end, other) = socket_pair();
  SealedLink link(0, std::move(end), session_keys(1, 2), kEpoch);
  const std::vector<uint8_t> payload(50, 5);
  std::vector<uint8_t> bytes(200), into(50);
  link.send(Op::broadcast, 1, {payload.data(), payload.size()});
  link.pump_send(0);
  const ssize_t n = read_some(other.get(), bytes.data(), bytes.size());
  CHECK(n == 82 && write_some(other.get(), bytes.data(), static_cast<size_t>(n)) == n);
  link.receive(Op::broadcast, 1, {into.data(), into.size()});
  CHECK(link.pump_receive() == Progress::corrupt);
}

void spoiled_memory() {
  const std::vector<uint8_t> payload(500, 5);
  std::vector<uint8_t> into(500);
  const auto receive_after = [&](const std::function<void(Lane&)>& spoil) {
    SharedPair pair = shared_pair();
    pair.links.a->send(Op::broadcast, 1, {payload.data(), payload.size()});
    pair.links.a->pump_send(0);
    spoil(pair.spoiler.from_creator());
    pair.links.b->receive(Op::broadcast, 1, {into.data(), into.size()});
    return pair.links.b->pump_receive();
  };
  CHECK(receive_after([](Lane&) {}) == Progress::some);
  for (size_t at = 0; at < kHeaderBytes; ++at) {
    CHECK(receive_after([&](Lane& lane) { lane.bytes[at] ^= 1; }) == Progress::corrupt, "header byte %zu", at);
  }
  for (const uint64_t written : {uint64_t{1}, uint64_t{63}, uint64_t{65}, Lane::kLaneBytes + 64, ~uint64_t{0}, ~uint64_t{63}}) {
    CHECK(receive_after([&](Lane& lane) { lane.written.store(written); }) == Progress::corrupt, "written %lx", static_cast<unsigned long>(written));
  }
  for (const uint64_t taken : {~uint64_t{0}, uint64_t{1} << 40}) {
    SharedPair pair = shared_pair();
    const std::vector<uint8_t> large(2 * Lane::kLaneBytes);
    pair.links.a->send(Op::broadcast, 1, {large.data(), large.size()});
    CHECK(pair.links.a->pump_send(0) == Progress::some && !pair.links.a->sent());
    pair.spoiler.from_creator().taken.store(taken);
    CHECK(pair.links.a->pump_send(0) == Progress::corrupt);
  }
}

void offers() {
  SharedMemory::Offer offer;
  SharedMemory created = SharedMemory::create(offer);
  CHECK(bool{created} && bool{SharedMemory::open(offer)});
  auto wrong = offer;
  wrong.token[31] ^= 1;
  CHECK(!SharedMemory::open(wrong));
  wrong = offer;
  wrong.process = 0x7fffffff;  // beyond the largest process number
  CHECK(!SharedMemory::open(wrong));

  // Other things behind the descriptor: a device, a pipe, a file of the right size that could shrink under the reader.
  const auto refused = [&](Fd fd) {
    auto other = offer;
    other.descriptor = static_cast<uint32_t>(fd.get());
    return fd && !SharedMemory::open(other);
  };
  CHECK(refused(Fd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
  int pipe[2];
  CHECK(::pipe2(pipe, O_CLOEXEC) == 0);
  CHECK(refused(Fd(pipe[0])) && refused(Fd(pipe[1])));
  Fd unsealed(::memfd_create("unsealed", MFD_CLOEXEC));
  struct stat info {};
  CHECK(::fstat(static_cast<int>(offer.descriptor), &info) == 0 && ::ftruncate(unsealed.get(), info.st_size) == 0);
  CHECK((info.st_mode & 0777) == 0600 && info.st_nlink == 0, "mode %o, %lu names", info.st_mode, static_cast<unsigned long>(info.st_nlink));
  CHECK(refused(std::move(unsealed)));

  created.close_file();
  CHECK(!SharedMemory::open(offer));
  CHECK(own_place() == own_place() && own_place() != SharedMemory::Token{});
}

// Where the kernel lets ranks share, they do: otherwise the tests of that path would test the other one.
void near_ranks_share() {
  all_well(in_threads(listen_all(3, test_options(), [](GroupOptions& o) { o.transport = o.rank == 1 ? Transport::tcp : Transport::automatic; }),
                      [](Communicator& group) {
    float value = 1;
    group.all_reduce_sum(&value, 1);
    // bf16: a header, two bytes, and a tag where it is sealed. One-shot: to both others.
    const uint64_t shared = 16 + 2, sealed = shared + 16;
    if (group.stats().bytes_sent != (group.rank() == 1 ? 2 * sealed : shared + sealed)) throw std::runtime_error("other links than expected");
  }));
}

}  // namespace

int main() {
  test("any messages in any rhythm, sealed", [] {
    for (uint64_t seed = 0; seed < 4; ++seed) any_rhythm(sealed_pair(), seed);
  });
  test("any messages in any rhythm, shared memory", [] {
    for (uint64_t seed = 0; seed < 8; ++seed) any_rhythm(std::move(shared_pair().links), seed);
  });
  test("a changed bit anywhere in a frame is noticed", changed_frames);
  test("repeated, swapped, dropped and cut frames are noticed", frames_out_of_place);
  test("a rank's own frame sent back to it is refused", reflected_frame);
  test("spoiled shared memory is noticed and never read or written beyond", spoiled_memory);
  test("only the memory that was offered is opened", offers);
  test("ranks that may share do, the others use TCP", near_ranks_share);
  return finish();
}
