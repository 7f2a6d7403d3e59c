#include "pool.h"

#include <sched.h>

#include <algorithm>

namespace lanyard::ops::cpu {
namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int usable_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// Waits until `value` is no longer `old`: spinning first, then asleep in the kernel.
uint32_t wait_change(const std::atomic<uint32_t>& value, uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_cpu();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

Pool::Pool(int threads) : threads_(std::max(1, threads)) {
  // More spinning threads than processors only take time from each other. 4000 pauses are 40 to 150 microseconds.
  spins_ = threads_ <= usable_cpus() ? 4000 : 50;
  for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
}

Pool::~Pool() {
  stop_.store(true);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Pool::run_all(Call call, const void* context) {
  call_ = call;
  context_ = const_cast<void*>(context);
  pending_.store(static_cast<uint32_t>(threads_ - 1), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  call(context_, 0);
  for (uint32_t left = pending_.load(std::memory_order_acquire); left != 0;) {
    left = wait_change(pending_, left, spins_);
  }
}

void Pool::work(int thread) {
  uint32_t seen = 0;
  for (;;) {
    // A round cannot be missed: the next one starts only after this thread has finished the last.
    wait_change(round_, seen, spins_);
    ++seen;
    if (stop_.load()) return;
    call_(context_, thread);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

}  // namespace lanyard::ops::cpu
