// What the engine's test programs share: checks that go on after a failure, random numbers, comparisons.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace check {

inline int& failures() {
  static int count = 0;
  return count;
}

#define CHECK(condition, ...)                                            \
  do {                                                                   \
    if (!(condition)) {                                                  \
      ++check::failures();                                               \
      std::printf("  %s:%d: %s ", __FILE__, __LINE__, #condition);       \
      __VA_OPT__(std::printf(__VA_ARGS__);)                              \
      std::printf("\n");                                                 \
    }                                                                    \
  } while (false)

inline void section(const char* name, const std::function<void()>& body) {
  const int before = failures();
  try {
    body();
  } catch (const std::exception& error) {
    ++failures();
    std::printf("  unexpected exception: %s\n", error.what());
  }
  std::printf("%s %s\n", failures() == before ? "ok  " : "FAIL", name);
}

inline int result() {
  if (failures() > 0) std::printf("%d checks failed\n", failures());
  return failures() == 0 ? 0 : 1;
}

// Does f throw an E that `right` accepts?
template <class E, class F, class P>
bool throws(F&& f, P&& right) {
  try {
    f();
  } catch (const E& error) {
    return right(error);
  }
  return false;
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }
  // [0, n)
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  // [-size, size)
  float real(float size = 1) { return (static_cast<float>(next() >> 40) / 0x1p23f - 1.0f) * size; }
  std::vector<float> reals(size_t count, float size = 1) {
    std::vector<float> out(count);
    for (float& value : out) value = real(size);
    return out;
  }

 private:
  uint64_t state_;
};

// Largest |a - b| relative to the size of b's values.
inline double difference(const float* a, const float* b, size_t count) {
  double worst = 0, size = 1e-30;
  for (size_t i = 0; i < count; ++i) {
    const double error = std::fabs(static_cast<double>(a[i]) - b[i]);
    if (!(error <= worst)) worst = error;
    size = std::max(size, std::fabs(static_cast<double>(b[i])));
  }
  return worst / size;
}

}  // namespace check
