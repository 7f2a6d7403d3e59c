// A fixed set of threads that run one function together. Made once; a run costs about a microsecond while the threads
// are still spinning from the last one.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "cpus.h"

namespace lanyard::ops::cpu {

// The thread that makes a pool, as it was before.
struct Unpinned {
  int thread = 0;  // the kernel's number of it; 0: was never pinned
  cpu_set_t cpus{};
};

class Pool {
 public:
  // `threads` includes the caller of run(), which is always the thread that makes the pool. `pin`: each stays on a processor
  // that it has to itself among the threads of all pinned pools of this user; where there are not enough free ones, none is
  // pinned. Not the default: a pinned thread cannot step aside when other programs want its processor, and one late thread
  // holds up all.
  explicit Pool(int threads, bool pin = wants_pinning());
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // The environment variable LANYARD_PIN is 1.
  static bool wants_pinning();

  int threads() const { return threads_; }
  // The processor of each thread; empty when none is pinned.
  std::vector<int> cpus() const { return claim_ ? claim_->cpus() : std::vector<int>{}; }

  // Calls f(thread) for every thread and returns when all are done. f must not throw.
  template <class F>
  void run(F&& f) {
    if (threads_ == 1) {
      f(0);
      return;
    }
    run_all([](void* context, int thread) { (*static_cast<F*>(context))(thread); }, &f);
  }

 private:
  using Call = void (*)(void*, int);
  void run_all(Call call, const void* context);
  void work(int thread);
  void pin(int thread) const;

  int threads_;
  int spins_;
  Call call_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> round_{0};
  alignas(64) std::atomic<uint32_t> pending_{0};
  alignas(64) std::atomic<bool> stop_{false};
  std::optional<CpuClaim> claim_;
  Unpinned maker_;
  std::vector<std::thread> workers_;
};

// The part of [0, count) that belongs to `thread`.
struct Share {
  int first, last;
};
inline Share share_of(int64_t count, int thread, int threads) {
  return {static_cast<int>(count * thread / threads), static_cast<int>(count * (thread + 1) / threads)};
}

}  // namespace lanyard::ops::cpu
