#include "ahead.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace lanyard::ops::cpu {
namespace {

constexpr size_t kLine = 64;
// About a microsecond, so that answers are looked for in between.
constexpr size_t kStepBytes = size_t{16} << 10;
constexpr size_t kUnknownCache = size_t{512} << 10;

size_t choose_ahead() {
  if (const char* wanted = std::getenv("LANYARD_AHEAD_KB")) return static_cast<size_t>(std::atol(wanted)) << 10;
  long cache = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
  cache = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
  // The rest is for activations. Twice the cache was measured to be worse than nothing: the first panels are gone by then.
  return (cache > 0 ? static_cast<size_t>(cache) : kUnknownCache) / 4 * 3;
}

}  // namespace

size_t ahead_bytes() {
  static const size_t bytes = choose_ahead();
  return bytes;
}

Ahead::Ahead(const PackedMatrix& next, int thread, int threads, size_t most) {
  const Share share = panel_share(next, thread, threads);
  if (share.first == share.last) return;
  at_ = next.panel(share.first);
  end_ = at_ + std::min(static_cast<size_t>(next.panel(share.last) - at_), most);
}

bool Ahead::step() noexcept {
  const uint8_t* const stop = at_ + std::min(static_cast<size_t>(end_ - at_), kStepBytes);
  for (; at_ < stop; at_ += kLine) __builtin_prefetch(at_, 0, 2);
  at_ = stop;
  return at_ < end_;
}

}  // namespace lanyard::ops::cpu
