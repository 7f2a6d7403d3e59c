// All-reduces that are started and finished apart: two on their way, the caller busy meanwhile, and everything that may go
// wrong then.
#include <sys/socket.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <random>
#include <tuple>

#include "comm_check.h"
#include "link_check.h"
#include "mesh.h"
#include "wire.h"

using namespace check;

namespace {

constexpr double kWithinMicros = 2e6;

const char* name_of(Algorithm algorithm) {
  return algorithm == Algorithm::one_shot ? "one-shot" : algorithm == Algorithm::two_shot ? "two-shot" : "measured";
}

// Any size of value, some negative.
float random_value(size_t i, int rank) {
  uint64_t mixed = (i * 977 + static_cast<uint64_t>(rank) * 131071 + 5) * 0x9e3779b97f4a7c15u;
  mixed ^= mixed >> 29;
  return static_cast<float>(static_cast<int64_t>(mixed % 20001) - 10000) / static_cast<float>(1u << (mixed >> 40) % 12);
}

std::vector<float> values_of(size_t count, int rank, size_t salt) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = random_value(i + salt * 7919, rank);
  return values;
}

// Something else to do, of another length each time and on each rank.
void be_busy(Communicator& group, std::mt19937_64& random, bool look) {
  for (const auto until = Clock::now() + std::chrono::microseconds(random() % 400); Clock::now() < until;) {
    if (look && random() % 8 == 0) group.progress();
  }
}

// Two halves that take turns are the same bits as the whole at once, on every rank.
void halves(int size, Algorithm algorithm, Wire wire) {
  GroupOptions options = test_options();
  options.algorithm = algorithm;
  options.wire = wire;
  // From a header to many frames, the second half ending within a block; the crossover may lie between a half and the whole.
  const std::vector<size_t> counts{65, 128, 1000, 2048, 8192, 12345, 32768, 100003};
  all_well(in_threads(listen_all(size, options), [&](Communicator& group) {
    std::mt19937_64 random(static_cast<uint64_t>(group.rank()) * 71 + 3);
    for (const bool look : {true, false}) {
      // As a step of many layers: the halves of each round wait for those of the round before.
      std::vector<std::vector<float>> whole, parts;
      for (size_t n = 0; n < counts.size(); ++n) {
        whole.push_back(values_of(counts[n], group.rank(), n));
        parts.push_back(whole.back());
        group.all_reduce_sum(whole[n].data(), counts[n]);
      }
      const auto middle = [&](size_t n) { return (counts[n] / 2 + 63) / 64 * 64; };
      for (size_t n = 0; n < counts.size(); ++n) {
        be_busy(group, random, look);
        if (n > 0) group.finish_all_reduce();
        group.start_all_reduce(parts[n].data(), middle(n), counts[n]);
        be_busy(group, random, look);
        if (n > 0) group.finish_all_reduce();
        group.start_all_reduce(parts[n].data() + middle(n), counts[n] - middle(n), counts[n]);
      }
      group.finish_all_reduce();
      be_busy(group, random, look);
      group.finish_all_reduce();
      for (size_t n = 0; n < counts.size(); ++n) {
        if (std::memcmp(whole[n].data(), parts[n].data(), counts[n] * sizeof(float)) != 0) {
          throw std::runtime_error("halves of " + std::to_string(counts[n]) + " values have other bits than the whole");
        }
        float want = 0;
        for (int rank = 0; rank < size; ++rank) want += random_value(n * 7919, rank);
        if (std::fabs(parts[n][0] - want) > 10000.0F * size / 100) throw std::runtime_error("a sum is far from right");
      }
    }
  }));
}

// What fits no buffer moves while nobody waits for it: calls of progress() are enough.
void progress_alone() {
  constexpr size_t kCount = size_t{2} << 20;
  for (const Algorithm algorithm : {Algorithm::one_shot, Algorithm::two_shot}) {
    GroupOptions options = test_options();
    options.algorithm = algorithm;
    std::atomic<int> done{0};
    all_well(in_threads(listen_all(3, options), [&](Communicator& group) {
      std::vector<float> a(kCount, 1.0F), b(kCount, 2.0F);
      group.start_all_reduce(a.data(), kCount, kCount);
      group.start_all_reduce(b.data(), kCount, kCount);
      bool all_here = false;
      for (const auto until = Clock::now() + std::chrono::seconds(20); done < 3 && Clock::now() < until;) {
        group.progress();
        if (all_here || b.front() != 6 || b.back() != 6) continue;
        all_here = true;
        ++done;
      }
      if (done != 3) throw std::runtime_error("the sums did not come without waiting for them");
      group.finish_all_reduce();
      group.finish_all_reduce();
      for (size_t i = 0; i < kCount; ++i) {
        if (a[i] != 3 || b[i] != 6) throw std::runtime_error("wrong sum");
      }
    }));
  }
}

// Both exchanges fill every buffer between the ranks while the late one computes; nothing may give up on it.
void lagging_rank() {
  GroupOptions options = test_options();
  options.algorithm = Algorithm::one_shot;
  const auto lag = 2 * options.silence_timeout;
  all_well(in_threads(listen_all(3, options), [&](Communicator& group) {
    std::vector<float> a(size_t{2} << 20, 1.0F), b = a;
    if (group.rank() == 1) std::this_thread::sleep_for(lag);  // stands for a long computation: the lag is the case
    group.start_all_reduce(a.data(), a.size(), 2 * a.size());
    group.start_all_reduce(b.data(), b.size(), 2 * a.size());
    group.finish_all_reduce();
    group.finish_all_reduce();
    if (a.front() != 3 || b.back() != 3) throw std::runtime_error("wrong sum");
    if (group.rank() == 0 && group.stats().last[1] == 0) throw std::runtime_error("the late rank was not seen to be late");
  }));
}

// A step without end: two in flight, and the caller busy between them.
void overlap_for_ever(Communicator& group, const std::function<void()>& ready) {
  std::vector<float> a(20000), b(20000);
  std::mt19937_64 random(1);
  group.start_all_reduce(a.data(), a.size(), 40000);
  for (int round = 0;; ++round) {
    group.start_all_reduce(b.data(), b.size(), 40000);
    if (round == 10) ready();
    be_busy(group, random, true);
    group.finish_all_reduce();
    group.start_all_reduce(a.data(), a.size(), 40000);
    be_busy(group, random, true);
    group.finish_all_reduce();
  }
}

void struck(int number, int victim, Algorithm algorithm) {
  Processes group(listen_all(3, test_options(), [&](GroupOptions& o) { o.algorithm = algorithm; }), overlap_for_ever);
  group.wait_ready();
  const double struck_at = now_micros();
  group.signal(victim, number);
  for (int rank = 0; rank < 3; ++rank) {
    if (rank == victim) continue;
    const Outcome outcome = group.outcome(rank);
    expect(outcome, Failure::rank_lost, victim);
    const double after = outcome.micros_at_end - struck_at;
    CHECK(after < kWithinMicros, "rank %d knew after %.0f ms", rank, after / 1e3);
  }
}

void aborted_from_another_thread() {
  std::atomic<double> aborted_at{0};
  const auto outcomes = in_threads(listen_all(3, test_options()), [&](Communicator& group) {
    std::vector<float> a(50000, 1.0F), b = a;
    group.start_all_reduce(a.data(), a.size(), 100000);
    group.finish_all_reduce();
    group.start_all_reduce(a.data(), a.size(), 100000);
    if (group.rank() == 2) {
      std::thread([&] {
        aborted_at = now_micros();
        group.abort("the deployment was stopped");
      }).join();
    }
    group.start_all_reduce(b.data(), b.size(), 100000);  // never comes to its end: rank 2 has not started it
    for (int look = 0; look < 100; ++look) group.progress();
    group.finish_all_reduce();
    group.finish_all_reduce();
    throw std::runtime_error("a sum came without rank 2");
  });
  for (const auto& outcome : outcomes) {
    expect(outcome, Failure::aborted, 2);
    CHECK(outcome.micros_at_end - aborted_at.load() < kWithinMicros);
  }
}

void misuse() {
  all_well(in_threads(listen_all(2, test_options()), [](Communicator& group) {
    std::vector<float> a(100, 1.0F), b = a, c = a;
    const auto refused = [](const std::function<void()>& call) {
      try {
        call();
      } catch (const std::logic_error&) {
        return;
      }
      throw std::runtime_error("a call out of order was not refused");
    };
    refused([&] { group.finish_all_reduce(); });
    group.start_all_reduce(a.data(), a.size(), 200);
    refused([&] { group.all_reduce_sum(c.data(), c.size()); });
    refused([&] { group.broadcast(c.data(), 4, 0); });
    group.start_all_reduce(b.data(), b.size(), 200);
    refused([&] { group.start_all_reduce(c.data(), c.size(), c.size()); });
    group.finish_all_reduce();
    group.finish_all_reduce();
    group.all_reduce_sum(c.data(), c.size());
    if (a[99] != 2 || b[0] != 2 || c[0] != 2) throw std::runtime_error("wrong sum after calls out of order");
    if (group.stats().operations != 3) throw std::runtime_error("refused calls were counted");
  }));
}

void group_of_one() {
  all_well(in_threads(listen_all(1, test_options()), [](Communicator& group) {
    float value = 1.2345678F;
    group.start_all_reduce(&value, 1, 2);
    group.progress();
    group.finish_all_reduce();
    if (value != 1.2345678F) throw std::runtime_error("a group of one changed its data");
  }));
  const auto single = make_single();
  float value = 1.2345678F;
  single->start_all_reduce(&value, 1, 2);
  single->progress();
  single->finish_all_reduce();
  CHECK(value == 1.2345678F);
}

// Rank 0 of two, whose other rank is this test: it seals what it likes and puts on the wire what it likes.
class Forger {
 public:
  static constexpr uint32_t kEpoch = 9;
  static constexpr size_t kCount = 1000;

  Forger() {
    GroupOptions options = test_options();
    options.size = 2;
    options.epoch = kEpoch;
    options.op_timeout = milliseconds(2000);
    options.algorithm = Algorithm::one_shot;
    Fd end;
    std::tie(end, wire_) = socket_pair();
    auto state = std::make_shared<GroupState>(0);
    auto monitor = std::make_unique<Monitor>(state, kEpoch, options.silence_timeout);
    std::vector<std::unique_ptr<SealedLink>> links(2);
    links[1] = std::make_unique<SealedLink>(1, std::move(end), session_keys(1, 2), kEpoch);
    group_ = std::make_unique<MeshCommunicator>(options, std::move(state), std::move(monitor), std::move(links));
  }
  Communicator& group() { return *group_; }

  // What rank 1 would send as its part of all-reduce `sequence`: all `value`.
  std::vector<uint8_t> part(uint32_t sequence, float value, uint32_t epoch = kEpoch) {
    if (!sealer_ || epoch != kEpoch) {
      Fd end;
      std::tie(end, tap_) = socket_pair();
      sealer_ = std::make_unique<SealedLink>(0, std::move(end), session_keys(2, 1), epoch);
    }
    std::vector<float> values(kCount, value);
    std::vector<uint8_t> payload(kCount * 2), bytes(kCount * 2 + 100);
    to_wire(Wire::bf16, values.data(), kCount, payload.data());
    sealer_->send(Op::all_reduce, sequence, {payload.data(), payload.size()});
    sealer_->pump_send(0);
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(read_some(tap_.get(), bytes.data(), bytes.size()), 0)));
    return bytes;
  }
  void say(const std::vector<uint8_t>& bytes) {
    if (write_some(wire_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("write");
  }

 private:
  Fd wire_, tap_;
  std::unique_ptr<SealedLink> sealer_;
  std::unique_ptr<MeshCommunicator> group_;
};

// What two exchanges in flight make of these frames: how many were finished, and how the rest ended.
struct Fate {
  int finished = 0;
  Outcome outcome;
};
Fate fate_of(const std::function<std::vector<std::vector<uint8_t>>(Forger&)>& frames, bool early) {
  Forger forger;
  std::vector<float> a(Forger::kCount, 1.0F), b(Forger::kCount, 1.0F);
  Fate fate;
  const auto said = frames(forger);
  const auto say = [&] {
    for (const auto& frame : said) forger.say(frame);
  };
  fate.outcome = outcome_of([&] {
    if (early) say();
    forger.group().start_all_reduce(a.data(), a.size(), 2 * a.size());
    forger.group().start_all_reduce(b.data(), b.size(), 2 * a.size());
    if (!early) say();
    forger.group().finish_all_reduce();
    if (a.front() != 3 || a.back() != 3) throw std::runtime_error("the first sum is wrong");
    ++fate.finished;
    forger.group().finish_all_reduce();
    if (b.front() != 5 || b.back() != 5) throw std::runtime_error("the second sum is wrong");
    ++fate.finished;
  });
  return fate;
}

// Frames of the other rank that come before, and while two are in flight.
void frames_in_flight() {
  for (const bool early : {false, true}) {
    const auto corrupt = [&](const Fate& fate, const char* what) {
      CHECK(fate.finished < 2, "%s", what);
      expect(fate.outcome, Failure::comm_corrupt, 1);
    };
    const Fate good = fate_of([](Forger& f) { return std::vector{f.part(1, 2), f.part(2, 4)}; }, early);
    CHECK(good.finished == 2 && !good.outcome.threw, "%s", good.outcome.message);
    corrupt(fate_of([](Forger& f) {
      const auto first = f.part(1, 2);
      return std::vector{first, first};
    }, early), "repeated");
    corrupt(fate_of([](Forger& f) {
      const auto first = f.part(1, 2), second = f.part(2, 4);
      return std::vector{second, first};
    }, early), "swapped");
    // The second's header is right, but a frame before it never came.
    corrupt(fate_of([](Forger& f) {
      const auto first = f.part(1, 2);
      f.part(2, 4);
      return std::vector{first, f.part(2, 4)};
    }, early), "dropped");
    corrupt(fate_of([](Forger& f) { return std::vector{f.part(1, 2), f.part(3, 4)}; }, early), "of a later operation");
    corrupt(fate_of([](Forger& f) { return std::vector{f.part(1, 2, Forger::kEpoch - 1), f.part(2, 4, Forger::kEpoch - 1)}; }, early),
            "of an earlier epoch");
    for (const size_t at : {size_t{0}, size_t{4}, size_t{9}, size_t{12}, size_t{16}, size_t{1200}, size_t{2016}, size_t{2031}}) {
      for (const size_t which : {size_t{0}, size_t{1}}) {
        corrupt(fate_of([&](Forger& f) {
          std::vector frames{f.part(1, 2), f.part(2, 4)};
          frames[which][at] ^= 1;
          return frames;
        }, early), "changed");
      }
    }
  }
}

// One part comes and the other never does: the deadline names the operation's rank, though another is in flight.
void deadline_in_flight() {
  const double began = now_micros();
  const Fate fate = fate_of([](Forger& f) { return std::vector<std::vector<uint8_t>>{f.part(1, 2)}; }, false);
  CHECK(fate.finished == 1);
  expect(fate.outcome, Failure::group_timeout, 1);
  CHECK(std::string(fate.outcome.message).find("operation 2 ") != std::string::npos, "%s", fate.outcome.message);
  CHECK(fate.outcome.micros_at_end - began > 1.5e6);
}

// Where all share memory there is nothing to hide; one pair over TCP is enough; rank 0's word counts.
void choices() {
  for (const int size : {2, 3}) {
    for (const Overlap wanted : {Overlap::automatic, Overlap::never, Overlap::always}) {
      const auto others = wanted == Overlap::never ? Overlap::always : Overlap::never;
      all_well(in_threads(listen_all(size, test_options(), [&](GroupOptions& o) { o.overlap = o.rank == 0 ? wanted : others; }),
                          [&](Communicator& group) {
                            const bool waits = carrier() != Carrier::shared;
                            const auto expected = wanted == Overlap::automatic && !waits ? Overlap::never : wanted;
                            CHECK(group.overlap() == expected, "%d ranks, rank %d: %d", size, group.rank(), static_cast<int>(group.overlap()));
                          }));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  choose_carrier(argc, argv);
  for (const int size : {2, 3, 5}) {
    for (const auto algorithm : {Algorithm::one_shot, Algorithm::two_shot, Algorithm::measured}) {
      for (const auto wire : {Wire::bf16, Wire::f32, Wire::int8}) {
        const std::string name = "halves in turns are the whole, to the bit, " + std::to_string(size) + " ranks, " + name_of(algorithm) + ", " + wire_name(wire);
        test(name.c_str(), [&] { halves(size, algorithm, wire); });
      }
    }
  }
  test("who computes meanwhile", choices);
  test("large messages move by progress() alone", progress_alone);
  test("a rank that lags longer than the silence timeout is waited for with two in flight", lagging_rank);
  for (const auto algorithm : {Algorithm::one_shot, Algorithm::two_shot}) {
    const std::string name = std::string(" with two in flight is named by all others, ") + name_of(algorithm);
    test(("a killed rank" + name).c_str(), [&] { struck(SIGKILL, 1, algorithm); });
    test(("killed rank 0" + name).c_str(), [&] { struck(SIGKILL, 0, algorithm); });
    test(("a silent rank" + name).c_str(), [&] { struck(SIGSTOP, 1, algorithm); });
  }
  test("abort from another thread ends what is in flight", aborted_from_another_thread);
  test("calls out of order are refused and change nothing", misuse);
  test("groups of one", group_of_one);
  test("changed, repeated, swapped and dropped frames are noticed with two in flight", frames_in_flight);
  test("a part that does not come is waited for as long as allowed", deadline_in_flight);
  return finish();
}
