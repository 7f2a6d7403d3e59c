// The group of one, and the names of failures.
#include <atomic>
#include <cstring>
#include <mutex>

#include "communicator.h"

namespace lanyard::comm {

const char* failure_name(Failure failure) noexcept {
  switch (failure) {
    case Failure::group_timeout: return "group_timeout";
    case Failure::group_auth: return "group_auth";
    case Failure::rank_lost: return "rank_lost";
    case Failure::aborted: return "aborted";
    case Failure::comm_corrupt: return "comm_corrupt";
  }
  return "comm_corrupt";
}

namespace {

class Single final : public Communicator {
 public:
  int rank() const noexcept override { return 0; }
  int size() const noexcept override { return 1; }

  void all_reduce_sum(float*, size_t, const IdleWork&) override { count(); }

  void gather(const void* send, size_t bytes, void* receive, int) override {
    count();
    if (bytes > 0 && receive != send) std::memmove(receive, send, bytes);
  }

  void broadcast(void*, size_t, int) override { count(); }
  void broadcast_blob(std::vector<std::byte>&, int) override { count(); }

  void abort(const std::string& reason) noexcept override {
    std::lock_guard lock(mutex_);
    if (aborted_.load()) return;
    try {
      reason_ = reason;
    } catch (const std::bad_alloc&) {
      reason_.clear();
    }
    aborted_.store(true);
  }

  double measure(size_t, int) override {
    count();
    return 0;
  }

  CommStats stats() const override {
    CommStats stats;
    stats.operations = operations_;
    stats.last = {0};
    return stats;
  }

 private:
  void count() {
    if (aborted_.load()) {
      std::lock_guard lock(mutex_);
      throw CommError(Failure::aborted, 0, reason_);
    }
    ++operations_;
  }

  uint64_t operations_ = 0;
  std::atomic<bool> aborted_{false};
  std::mutex mutex_;
  std::string reason_;
};

}  // namespace

std::unique_ptr<Communicator> make_single() { return std::make_unique<Single>(); }

}  // namespace lanyard::comm
