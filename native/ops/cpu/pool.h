// A fixed set of threads that run one function together. Made once; a run costs about a microsecond while the threads
// are still spinning from the last one.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace lanyard::ops::cpu {

class Pool {
 public:
  // `threads` includes the caller of run(), which is always the same thread.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

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

  int threads_;
  int spins_;
  Call call_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> round_{0};
  alignas(64) std::atomic<uint32_t> pending_{0};
  alignas(64) std::atomic<bool> stop_{false};
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
