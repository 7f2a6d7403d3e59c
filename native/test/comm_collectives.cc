// Collectives that must work: exact inputs, the same bits on every rank, all sizes, both algorithms, all wire types.
#include <sys/resource.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "comm_check.h"
#include "wire.h"

using namespace check;

namespace {

// Integers whose sums are exact on the wire: any rank can tell the right result by itself. For bf16 they are small; for
// int8 each block's first is the largest, a multiple of 127 that makes the scale an integer in parts and sums alike.
float exact_value(Wire wire, size_t index, int rank) {
  if (wire != Wire::int8) return static_cast<float>(static_cast<int>((index * 7 + static_cast<size_t>(rank) * 13) % 17) - 8);
  const int value = index % wire_block(wire) == 0 ? -127 : static_cast<int>(index * 37 % 255) - 127;
  return static_cast<float>(value * (rank + 1));
}

float random_value(size_t index, int rank) {
  uint64_t x = index * 0x9e3779b97f4a7c15ULL + static_cast<uint64_t>(rank + 1) * 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 29;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 32;
  return std::ldexp(static_cast<float>(x & 0xffffff) / 0x1p23F - 1.0F, static_cast<int>(x >> 60));
}

// What comes off the wire, written down once more and plainly.
std::vector<float> rounded(Wire wire, std::vector<float> values) {
  if (wire == Wire::bf16) {
    for (float& value : values) value = from_bf16(to_bf16(value));
  }
  for (size_t block = 0; wire == Wire::int8 && block < values.size(); block += 64) {
    const size_t end = std::min(block + 64, values.size());
    float largest = 0;
    for (size_t i = block; i < end; ++i) largest = std::max(largest, std::fabs(values[i]));
    const float scale = largest / 127, inverse = 127 / largest;
    for (size_t i = block; i < end; ++i) values[i] = largest == 0 ? 0 : scale * (std::nearbyint(values[i] * inverse) + 0.0F);
  }
  return values;
}

const char* name_of(Algorithm algorithm) { return algorithm == Algorithm::one_shot ? "one-shot" : "two-shot"; }

// A mistake of one part after rounding, of the sum of magnitudes.
float tolerance(Wire wire) { return wire == Wire::f32 ? 0x1p-20F : 0x1p-7F; }

void sums(int size, Algorithm algorithm, Wire wire) {
  GroupOptions options = test_options();
  options.algorithm = algorithm;
  options.wire = wire;
  std::vector<size_t> counts{0, 1, 2, 3, 4, 5, 7, 64, 65, 127, 255, 321, 1000, 4097, 16384, 16385, 100003};
  if (size <= 3) counts.push_back(size_t{1} << 20);
  all_well(in_threads(listen_all(size, options), [&](Communicator& group) {
    for (const size_t count : counts) {
      std::vector<float> data(count);
      for (size_t i = 0; i < count; ++i) data[i] = exact_value(wire, i, group.rank());
      group.all_reduce_sum(data.data(), count);
      size_t wrong = 0;
      for (size_t i = 0; i < count; ++i) {
        float want = 0;
        for (int rank = 0; rank < size; ++rank) want += exact_value(wire, i, rank);
        wrong += data[i] != want;
      }
      if (wrong != 0) throw std::runtime_error(std::to_string(wrong) + " of " + std::to_string(count) + " sums are wrong");

      std::vector<float> want;
      for (int rank = 0; rank < size; ++rank) {
        std::vector<float> part(count);
        for (size_t i = 0; i < count; ++i) part[i] = random_value(i, rank);
        if (rank == group.rank()) data = part;
        part = rounded(wire, std::move(part));
        if (rank == 0) want = part;
        else for (size_t i = 0; i < count; ++i) want[i] += part[i];
      }
      if (algorithm == Algorithm::two_shot) want = rounded(wire, std::move(want));
      group.all_reduce_sum(data.data(), count);
      for (size_t i = 0; i < count; ++i) wrong += std::bit_cast<uint32_t>(data[i]) != std::bit_cast<uint32_t>(want[i]);
      if (wrong != 0) throw std::runtime_error(std::to_string(wrong) + " of " + std::to_string(count) + " sums have other bits");
    }
  }));
}

void special_values() {
  const float inf = std::numeric_limits<float>::infinity(), tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> zero{inf, inf, -0.0F, tiny, 3.4e38F, NAN, 1e-40F};
  const std::vector<float> one{1.0F, -inf, -0.0F, tiny, 3.4e38F, 1.0F, 0.0F};
  all_well(in_threads(listen_all(2, test_options(), [](GroupOptions& o) { o.wire = Wire::f32; }), [&](Communicator& group) {
    std::vector<float> data = group.rank() == 0 ? zero : one;
    group.all_reduce_sum(data.data(), data.size());
    const bool right = data[0] == inf && std::isnan(data[1]) && data[2] == 0 && std::signbit(data[2]) && data[3] == 2 * tiny &&
                       data[4] == inf && std::isnan(data[5]) && data[6] == 1e-40F;
    if (!right) throw std::runtime_error("a special value came out wrong");
  }));
}

void bf16_rounding() {
  // Against a rounding in double: nearest, ties to the even neighbour.
  size_t wrong = 0;
  for (uint32_t high = 0; high < 0x7f80; ++high) {
    for (const uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const uint32_t bits = high << 16 | low;
      uint32_t want = high;
      if (low > 0x8000 || (low == 0x8000 && (high & 1) != 0)) ++want;
      wrong += to_bf16(std::bit_cast<float>(bits)) != want;
      wrong += to_bf16(std::bit_cast<float>(bits | 0x80000000)) != (want | 0x8000);
    }
  }
  CHECK(wrong == 0, "%zu", wrong);
  CHECK(std::isnan(from_bf16(to_bf16(std::bit_cast<float>(0x7f800001U)))));
  std::vector<float> many(1003);
  for (size_t i = 0; i < many.size(); ++i) many[i] = random_value(i, 4);
  std::vector<uint16_t> wire(many.size());
  to_wire(Wire::bf16, many.data(), many.size(), reinterpret_cast<uint8_t*>(wire.data()));
  for (size_t i = 0; i < many.size(); ++i) wrong += wire[i] != to_bf16(many[i]);
  CHECK(wrong == 0, "%zu", wrong);
}

// What is not finite, or too small for a scale, on the int8 wire; blocks beside it stay as they are.
void int8_limits() {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float odd : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
    all_well(in_threads(listen_all(2, test_options(), [](GroupOptions& o) { o.wire = Wire::int8; }), [&](Communicator& group) {
      std::vector<float> data(3 * 64 + 5, 127.0F);
      if (group.rank() == 1) data[64 + 40] = data.back() = odd;
      group.all_reduce_sum(data.data(), data.size());
      for (size_t i = 0; i < data.size(); ++i) {
        const size_t block = i / 64;
        const bool right = block == 1 || block == 3 ? std::isnan(data[i]) : data[i] == 254;
        if (!right) throw std::runtime_error("a value in block " + std::to_string(block) + " came out wrong");
      }
    }));
  }
  const auto there_and_back = [](std::vector<float> values) {
    std::vector<uint8_t> wire(wire_bytes(Wire::int8, values.size()));
    to_wire(Wire::int8, values.data(), values.size(), wire.data());
    from_wire(Wire::int8, wire.data(), values.size(), values.data());
    return values;
  };
  CHECK(there_and_back({0x1p-120F, -0x1p-149F, 0, -0.0F}) == std::vector<float>(4));
  CHECK(there_and_back({127 * 0x1p-126F, -0x1p-126F}) == (std::vector<float>{127 * 0x1p-126F, -0x1p-126F}));
  CHECK(there_and_back({-0x1p127F, 0x1p126F * 1.01F})[0] == -0x1p127F);
  // Ties go to the even neighbour, on both sides of zero.
  CHECK(there_and_back({127, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -126.5F}) == (std::vector<float>{127, 0, 2, 2, 0, -2, -126}));
}

// Parts of a message: where they begin, and what of them has come.
void wire_sizes() {
  CHECK(wire_bytes(Wire::bf16, 65) == 130 && wire_bytes(Wire::f32, 65) == 260);
  CHECK(wire_bytes(Wire::int8, 0) == 0 && wire_bytes(Wire::int8, 1) == 5 && wire_bytes(Wire::int8, 64) == 68 && wire_bytes(Wire::int8, 65) == 73);
  for (const Wire wire : {Wire::bf16, Wire::f32, Wire::int8}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{200}}) {
      size_t before = 0;
      for (size_t bytes = 0; bytes <= wire_bytes(wire, count); ++bytes) {
        const size_t values = whole_values(wire, bytes, count);
        CHECK(values >= before && wire_bytes(wire, values) <= bytes && (values == count || values % wire_block(wire) == 0));
        before = values;
      }
      CHECK(before == count);
    }
    CHECK(wire_named(wire_name(wire)) == wire);
  }
  CHECK(!wire_named("int4"));
}

void gathers_and_broadcasts(int size) {
  all_well(in_threads(listen_all(size, test_options()), [&](Communicator& group) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{13}, size_t{32768}, size_t{100001}}) {
      for (int root = 0; root < size; ++root) {
        std::vector<uint8_t> mine(bytes, static_cast<uint8_t>(group.rank() + 1)), all(bytes * static_cast<size_t>(size));
        group.gather(mine.data(), bytes, group.rank() == root ? all.data() : nullptr, root);
        for (size_t i = 0; group.rank() == root && i < all.size(); ++i) {
          if (all[i] != i / bytes + 1) throw std::runtime_error("gather put a byte in the wrong place");
        }
        std::vector<uint8_t> told(bytes, static_cast<uint8_t>(100 + group.rank()));
        group.broadcast(told.data(), bytes, root);
        for (const uint8_t byte : told) {
          if (byte != 100 + root) throw std::runtime_error("broadcast brought another rank's byte");
        }
      }
    }
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{32759}, size_t{32760}, size_t{32761}, size_t{1000003}, size_t{5}}) {
      for (int root = 0; root < size; ++root) {
        std::vector<std::byte> blob;
        if (group.rank() == root) {
          for (size_t i = 0; i < bytes; ++i) blob.push_back(static_cast<std::byte>(i * 31 + static_cast<size_t>(root)));
        }
        group.broadcast_blob(blob, root);
        bool right = blob.size() == bytes;
        for (size_t i = 0; right && i < bytes; ++i) right = blob[i] == static_cast<std::byte>(i * 31 + static_cast<size_t>(root));
        if (!right) throw std::runtime_error("the blob of " + std::to_string(bytes) + " bytes came out wrong");
      }
    }
  }));
}

// The large message fills every buffer between the ranks while the late one computes; nothing may give up on it.
void lagging_rank() {
  GroupOptions options = test_options();
  const auto lag = 2 * options.silence_timeout;
  all_well(in_threads(listen_all(3, options), [&](Communicator& group) {
    if (group.rank() == 1) std::this_thread::sleep_for(lag);  // stands for a long computation: the lag is the case
    std::vector<float> data(size_t{4} << 20, 1.0F);
    group.all_reduce_sum(data.data(), data.size());
    if (data.front() != 3 || data.back() != 3) throw std::runtime_error("wrong sum");
    if (group.rank() == 0 && group.stats().last[1] == 0) throw std::runtime_error("the late rank was not seen to be late");
  }));
}

// Work for the time of waiting is done while a rank lags (here until the others have done theirs) and not asked for after
// its end, and it changes no sum.
void idle_work() {
  for (const Algorithm algorithm : {Algorithm::one_shot, Algorithm::two_shot}) {
    GroupOptions options = test_options();
    options.algorithm = algorithm;
    std::atomic<int> idle_ranks{0};
    all_well(in_threads(listen_all(3, options), [&](Communicator& group) {
      struct Work {
        std::atomic<int>& idle_ranks;
        int left, done = 0;
      };
      const auto step = [](void* context) {
        auto& work = *static_cast<Work*>(context);
        ++work.done;
        if (--work.left > 0) return true;
        ++work.idle_ranks;
        return false;
      };
      int lags = 0;
      for (const size_t count : {size_t{5}, size_t{20000}, size_t{300000}}) {
        for (const int pieces : {1, 1000}) {
          std::vector<float> data(count);
          for (size_t i = 0; i < count; ++i) data[i] = exact_value(Wire::bf16, i, group.rank());
          Work work{idle_ranks, pieces};
          if (group.rank() == 1) {
            ++lags;
            for (const auto until = Clock::now() + std::chrono::seconds(10); idle_ranks < 2 * lags && Clock::now() < until;) {
              std::this_thread::sleep_for(milliseconds(1));
            }
            if (idle_ranks != 2 * lags) throw std::runtime_error("ranks that wait do not do their work");
            group.all_reduce_sum(data.data(), count);
          } else {
            group.all_reduce_sum(data.data(), count, {step, &work});
            if (work.done != pieces) throw std::runtime_error("work was asked for after its end");
          }
          for (size_t i = 0; i < count; ++i) {
            float want = 0;
            for (int rank = 0; rank < 3; ++rank) want += exact_value(Wire::bf16, i, rank);
            if (data[i] != want) throw std::runtime_error("wrong sum beside other work");
          }
        }
      }
    }));
  }
}

void rank_ahead() {
  all_well(in_threads(listen_all(3, test_options()), [&](Communicator& group) {
    std::vector<uint32_t> all(3);
    for (uint32_t round = 0; round < 500; ++round) {
      const uint32_t mine = round * 10 + static_cast<uint32_t>(group.rank());
      group.gather(&mine, sizeof mine, all.data(), 0);  // ranks 1 and 2 need not wait for rank 0
      for (uint32_t rank = 0; group.rank() == 0 && rank < 3; ++rank) {
        if (all[rank] != round * 10 + rank) throw std::runtime_error("rounds got mixed up");
      }
    }
    float last = 1;
    group.all_reduce_sum(&last, 1);
    if (last != 3) throw std::runtime_error("wrong sum after the rounds");
  }));
}

void measured_crossover() {
  std::mutex mutex;
  std::vector<std::vector<float>> results;
  all_well(in_threads(listen_all(3, test_options(), [](GroupOptions& o) { o.wire = Wire::bf16; }), [&](Communicator& group) {
    if (!(group.measure(4096, 5) > 0)) throw std::runtime_error("an all-reduce took no time");
    std::vector<float> all;
    for (const size_t count : {size_t{10}, size_t{3000}, size_t{20000}, size_t{300000}}) {
      std::vector<float> data(count);
      for (size_t i = 0; i < count; ++i) data[i] = random_value(i, group.rank());
      group.all_reduce_sum(data.data(), count);
      all.insert(all.end(), data.begin(), data.end());
    }
    const std::lock_guard lock(mutex);
    results.push_back(std::move(all));
  }));
  CHECK(results.size() == 3);
  for (const auto& result : results) {
    CHECK(std::memcmp(result.data(), results[0].data(), result.size() * sizeof(float)) == 0);
  }
}

uint64_t mixed(uint64_t digest, const void* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) digest = (digest ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3ULL;
  return digest;
}

// A random run of collectives that all ranks draw alike; each checks what it can know, and returns a digest of every bit
// that must be the same on all ranks.
uint64_t random_run(Communicator& group, uint64_t seed, Wire wire, bool dawdle) {
  std::mt19937_64 shared(seed), own(seed + 77 + static_cast<uint64_t>(group.rank()));
  const size_t size = static_cast<size_t>(group.size());
  const auto want = [](bool right, const char* what) {
    if (!right) throw std::runtime_error(std::string("wrong bytes from ") + what);
  };
  uint64_t digest = 0xcbf29ce484222325ULL;
  for (int round = 0; round < 40; ++round) {
    const size_t count = shared() % (size_t{1} << (shared() % 17));
    const int root = static_cast<int>(shared() % size);
    const uint64_t kind = shared() % 5;
    if (dawdle && own() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(own() % 400));
    if (kind <= 1) {
      std::vector<float> exact(count), data(count);
      for (size_t i = 0; i < count; ++i) {
        exact[i] = exact_value(wire, i, group.rank());
        data[i] = random_value(i * 41 + static_cast<size_t>(round), group.rank());
      }
      group.all_reduce_sum(exact.data(), count);
      for (size_t i = 0; i < count; ++i) {
        float sum = 0;
        for (int rank = 0; rank < group.size(); ++rank) sum += exact_value(wire, i, rank);
        want(exact[i] == sum, "an all-reduce");
      }
      group.all_reduce_sum(data.data(), count);
      for (size_t begin = 0; begin < count; begin += wire_block(wire)) {
        const size_t end = std::min(begin + wire_block(wire), count);
        std::vector<float> near(end - begin);
        float largest = 0;
        for (int rank = 0; rank < group.size(); ++rank) {
          float largest_part = 0;
          for (size_t i = begin; i < end; ++i) {
            const float part = random_value(i * 41 + static_cast<size_t>(round), rank);
            near[i - begin] += part;
            largest_part = std::max(largest_part, std::fabs(part));
          }
          largest += largest_part;
        }
        for (size_t i = begin; i < end; ++i) {
          want(std::fabs(data[i] - near[i - begin]) <= largest * tolerance(wire), "a random all-reduce");
        }
      }
      digest = mixed(digest, data.data(), count * sizeof(float));
    } else if (kind == 2) {
      std::vector<uint8_t> mine(count, static_cast<uint8_t>(group.rank() + round)), all(count * size);
      group.gather(mine.data(), count, all.data(), root);
      for (size_t i = 0; group.rank() == root && i < all.size(); ++i) want(all[i] == static_cast<uint8_t>(i / count + static_cast<size_t>(round)), "gather");
    } else if (kind == 3) {
      std::vector<uint8_t> told(count, static_cast<uint8_t>(group.rank() * 3 + round));
      group.broadcast(told.data(), count, root);
      for (const uint8_t byte : told) want(byte == static_cast<uint8_t>(root * 3 + round), "broadcast");
      digest = mixed(digest, told.data(), count);
    } else {
      std::vector<std::byte> blob(group.rank() == root ? count : 3, static_cast<std::byte>(group.rank() + round));
      group.broadcast_blob(blob, root);
      want(blob.size() == count && (count == 0 || blob.back() == static_cast<std::byte>(root + round)), "a blob");
      digest = mixed(digest, blob.data(), count);
    }
  }
  return digest;
}

void random_collectives(int size, uint64_t seed) {
  GroupOptions options = test_options();
  options.algorithm = seed % 3 == 0 ? Algorithm::measured : seed % 3 == 1 ? Algorithm::one_shot : Algorithm::two_shot;
  options.wire = seed % 4 == 0 ? Wire::bf16 : seed % 4 == 2 ? Wire::f32 : Wire::int8;
  std::vector<uint64_t> digests(2 * static_cast<size_t>(size));
  for (const bool again : {false, true}) {
    // Which algorithm was measured to be faster may differ from run to run, and with it the rounding.
    if (again && options.algorithm == Algorithm::measured && size > 2) digests.resize(static_cast<size_t>(size));
    if (again && digests.size() == static_cast<size_t>(size)) continue;
    all_well(in_threads(listen_all(size, options), [&](Communicator& group) {
      digests[static_cast<size_t>(group.rank() + (again ? size : 0))] = random_run(group, seed, options.wire, again);
    }));
  }
  for (const uint64_t digest : digests) CHECK(digest == digests[0], "seed %lu", static_cast<unsigned long>(seed));
}

void idle_is_cheap() {
  double used = 1;
  all_well(in_threads(listen_all(2, test_options()), [&](Communicator& group) {
    std::vector<std::byte> blob(1);
    group.broadcast_blob(blob, 0);
    if (group.rank() == 0) {
      std::this_thread::sleep_for(milliseconds(1000));  // the idle second that is measured
      blob.resize(70000);
    }
    rusage before{}, after{};
    ::getrusage(RUSAGE_THREAD, &before);
    group.broadcast_blob(blob, 0);
    ::getrusage(RUSAGE_THREAD, &after);
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    if (group.rank() == 1) {
      used = seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) - seconds(before.ru_stime);
      if (blob.size() != 70000) throw std::runtime_error("wrong blob");
    }
  }));
  CHECK(used < 0.05, "an idle second cost %.3f s of processor", used);
}

void single() {
  const auto group = make_single();
  std::vector<float> data{1.2345678F, 2.0F};
  group->all_reduce_sum(data.data(), data.size());
  CHECK(data[0] == 1.2345678F && group->rank() == 0 && group->size() == 1);
  int gathered = 0;
  const int mine = 5;
  group->gather(&mine, sizeof mine, &gathered, 0);
  CHECK(gathered == 5);
  group->abort("enough");
  const Outcome outcome = outcome_of([&] { group->all_reduce_sum(data.data(), data.size()); });
  expect(outcome, Failure::aborted, 0);
  CHECK(std::string(outcome.message) == "enough");
}

void group_of_one() {
  all_well(in_threads(listen_all(1, test_options()), [](Communicator& group) {
    float value = 1.2345678F;
    group.all_reduce_sum(&value, 1);
    std::vector<std::byte> blob(40000);
    group.broadcast_blob(blob, 0);
    if (value != 1.2345678F || blob.size() != 40000) throw std::runtime_error("a group of one changed its data");
  }));
}

void spinning_ranks() {
  all_well(in_threads(listen_all(2, test_options(), [](GroupOptions& o) { o.spin_micros = 100; }), [](Communicator& group) {
    for (int round = 0; round < 300; ++round) {
      std::vector<float> data(2048, 1.0F);
      group.all_reduce_sum(data.data(), data.size());
      if (data[2047] != 2) throw std::runtime_error("wrong sum");
    }
    const CommStats stats = group.stats();
    const uint64_t tag = carrier() == Carrier::shared ? 0 : 16;  // nothing is sealed in shared memory
    if (stats.operations != 300 || stats.bytes_sent != stats.bytes_received || stats.bytes_sent != 300 * (16 + 4096 + tag)) {
      throw std::runtime_error("the statistics do not add up");
    }
  }));
}

}  // namespace

int main(int argc, char** argv) {
  choose_carrier(argc, argv);
  for (const int size : {2, 3, 5}) {
    for (const auto algorithm : {Algorithm::one_shot, Algorithm::two_shot}) {
      for (const auto wire : {Wire::bf16, Wire::f32, Wire::int8}) {
        const std::string name = "sums are exact and the same bits on " + std::to_string(size) + " ranks, " + name_of(algorithm) + ", " + wire_name(wire);
        test(name.c_str(), [&] { sums(size, algorithm, wire); });
      }
    }
  }
  test("bf16 rounds to nearest even", bf16_rounding);
  test("the wire types' sizes, whole and in parts", wire_sizes);
  test("int8 shows what is not finite, and rounds to nearest even", int8_limits);
  test("infinities, NaN, signed zero and denormals survive", special_values);
  for (const int size : {2, 3, 5}) {
    const std::string name = "gather, broadcast and blobs from every root, " + std::to_string(size) + " ranks";
    test(name.c_str(), [&] { gathers_and_broadcasts(size); });
  }
  test("a rank that lags longer than the silence timeout with full buffers is waited for", lagging_rank);
  test("work for the time of waiting is done while a rank lags", idle_work);
  for (const int size : {1, 2, 3, 5, 8}) {
    const std::string name = "random runs are right, and the same bits on every rank and again, " + std::to_string(size) + " ranks";
    test(name.c_str(), [&] {
      for (uint64_t seed = 0; seed < 6; ++seed) random_collectives(size, seed + 100 * static_cast<uint64_t>(size));
    });
  }
  test("ranks may run ahead of the others", rank_ahead);
  test("the measured crossover is the same on all ranks", measured_crossover);
  test("waiting for work costs next to nothing", idle_is_cheap);
  test("spinning ranks and their statistics", spinning_ranks);
  test("the group of one without a network", single);
  test("the group of one with a network", group_of_one);
  return finish();
}
