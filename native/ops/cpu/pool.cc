#include "pool.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lanyard::ops::cpu {
namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int cpu_count() {
  cpu_set_t set;
  if (sched_getaffinity(::getpid(), sizeof set, &set) == 0) return CPU_COUNT(&set);
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

bool Pool::wants_pinning() {
  const char* wanted = std::getenv("LANYARD_PIN");
  return wanted && std::strcmp(wanted, "1") == 0;
}

Pool::Pool(int threads, bool pin_threads) : threads_(std::max(1, threads)) {
  // More spinning threads than processors only take time from each other. 4000 pauses are 40 to 150 microseconds.
  spins_ = threads_ <= cpu_count() ? 4000 : 50;
  if (pin_threads) claim_.emplace(usable_cpus(), threads_);
  if (claim_ && claim_->cpus().empty()) claim_.reset();
  if (claim_ && ::sched_getaffinity(0, sizeof maker_.cpus, &maker_.cpus) == 0) {
    maker_.thread = static_cast<int>(::syscall(SYS_gettid));
    pin(0);
  }
  for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
}

void Pool::pin(int thread) const {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(claim_->cpus()[static_cast<size_t>(thread)], &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

Pool::~Pool() {
  stop_.store(true);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
  if (maker_.thread != 0) ::sched_setaffinity(maker_.thread, sizeof maker_.cpus, &maker_.cpus);
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
  if (claim_) pin(thread);
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
