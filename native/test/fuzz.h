// Deterministic mutation fuzzing as ordinary test programs: a few seconds in the tests, as long as wanted by hand.
//
//   fuzz_NAME [seconds=2] [first seed=0]
//
// A case is its seed alone: fuzz_NAME 0 SEED runs that one. Built with LANYARD_SANITIZE=address,undefined they find what
// reads or writes too far; a crash prints the seed.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __sanitizer_set_death_callback(void (*)(void));
#endif

namespace fuzz {

using Random = std::mt19937_64;

inline volatile uint64_t current_seed = 0;

inline void say_seed() {
  char text[80];
  const int length = std::snprintf(text, sizeof text, "\nthe case was seed %llu\n", static_cast<unsigned long long>(current_seed));
  [[maybe_unused]] const ssize_t n = ::write(2, text, static_cast<size_t>(length));
}

// A condition that must hold for every case.
inline void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "wrong: %s", what);
  say_seed();
  std::_Exit(1);
}

// Mostly values from the edges.
inline uint64_t edge(Random& random) {
  static constexpr uint64_t kEdges[] = {0, 1, 2, 3, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536};
  switch (random() % 5) {
    case 0: return kEdges[random() % std::size(kEdges)];
    case 1: return ~uint64_t{0} - random() % 3;
    case 2: return (uint64_t{1} << random() % 64) - random() % 3;
    case 3: return random() % 1000;
    default: return random();
  }
}

// Changes, inserts, removes and repeats some bytes.
inline void mutate(std::vector<uint8_t>& bytes, Random& random) {
  for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const size_t length = std::min<size_t>(random() % 40, bytes.size() - at);
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at), end = begin + static_cast<ptrdiff_t>(length);
    switch (random() % 6) {
      case 0: if (!bytes.empty()) bytes[at] ^= static_cast<uint8_t>(1U << random() % 8); break;
      case 1: if (!bytes.empty()) bytes[at] = static_cast<uint8_t>(edge(random)); break;
      case 2: bytes.erase(begin, end); break;
      case 3: bytes.insert(begin, length, static_cast<uint8_t>(random())); break;
      case 4: {
        const std::vector<uint8_t> copy(begin, end);
        bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(random() % (bytes.size() + 1)), copy.begin(), copy.end());
        break;
      }
      default: {
        const uint64_t word = edge(random);
        std::memcpy(bytes.data() + at, &word, std::min<size_t>(4, bytes.size() - at));
      }
    }
  }
}

// Runs `one` on seed after seed until the time is up.
inline int run(int argc, char** argv, const std::function<void(Random&)>& one) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  current_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(say_seed);
#else
  for (const int fatal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    std::signal(fatal, [](int number) {
      say_seed();
      std::signal(number, SIG_DFL);
      std::raise(number);
    });
  }
#endif
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t cases = 0;
  do {
    Random random(current_seed * 0x9e3779b97f4a7c15ULL + 1);
    try {
      one(random);
    } catch (const std::exception& error) {
      demand(false, error.what());
    }
    current_seed = current_seed + 1;
    ++cases;
  } while (std::chrono::steady_clock::now() < until);
  std::printf("%llu cases, all well\n", static_cast<unsigned long long>(cases));
  return 0;
}

}  // namespace fuzz
