// What the threads of one rank share: whether the group has failed and why, and who left it in order.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "communicator.h"
#include "socket.h"

namespace lanyard::comm {

constexpr int kMaxRanks = 64;

class GroupState {
 public:
  explicit GroupState(int own_rank);

  int own_rank() const noexcept { return own_rank_; }

  // The first failure wins; the rest are consequences of it. Wakes both threads. From any thread.
  void fail(Failure failure, int rank, const std::string& message) noexcept;
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  // Throws the failure.
  [[noreturn]] void raise() const;
  void describe(Failure& failure, int& rank, std::string& message) const;

  // Gives another thread the chance to learn the cause of what this one sees; true when the group has failed.
  bool wait_failed(std::chrono::milliseconds limit) const;

  // The failure was told to the other ranks.
  void set_announced();
  void wait_announced(std::chrono::milliseconds limit) const;

  void set_left(int rank) noexcept;
  bool left(int rank) const noexcept { return (left_.load(std::memory_order_acquire) >> rank & 1) != 0; }
  uint64_t left_ranks() const noexcept { return left_.load(std::memory_order_acquire); }

  // The last wish of the owner: leave in order.
  void close() noexcept;
  bool closing() const noexcept { return closing_.load(std::memory_order_acquire); }

  int caller_wake() const noexcept { return caller_wake_.get(); }    // readable from the failure on
  int monitor_wake() const noexcept { return monitor_wake_.get(); }  // drained by the monitor
  void wake_monitor() const noexcept;
  void wake_caller() const noexcept;
  // Takes the wake-ups that were not about a failure out of caller_wake.
  void drain_caller_wake() const noexcept;

 private:
  const int own_rank_;
  std::atomic<bool> failed_{false};
  std::atomic<bool> closing_{false};
  std::atomic<uint64_t> left_{0};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool recorded_ = false;
  bool announced_ = false;
  Failure failure_ = Failure::aborted;
  int rank_ = -1;
  std::string message_;
  Fd caller_wake_;
  Fd monitor_wake_;
};

}  // namespace lanyard::comm
