#include "group_state.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <system_error>

namespace lanyard::comm {
namespace {

Fd make_event() {
  Fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

void signal_event(int fd) noexcept {
  const uint64_t one = 1;
  // A full counter is already readable, which is all that is wanted.
  [[maybe_unused]] const ssize_t n = ::write(fd, &one, sizeof one);
}

}  // namespace

GroupState::GroupState(int own_rank) : own_rank_(own_rank), caller_wake_(make_event()), monitor_wake_(make_event()) {}

void GroupState::fail(Failure failure, int rank, const std::string& message) noexcept {
  {
    std::lock_guard lock(mutex_);
    if (recorded_) return;
    recorded_ = true;
    failure_ = failure;
    rank_ = rank;
    try {
      message_ = message;
    } catch (const std::bad_alloc&) {
      message_.clear();
    }
    failed_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
  wake_caller();
  wake_monitor();
}

void GroupState::describe(Failure& failure, int& rank, std::string& message) const {
  std::lock_guard lock(mutex_);
  failure = failure_;
  rank = rank_;
  message = message_;
}

void GroupState::raise() const {
  Failure failure;
  int rank;
  std::string message;
  describe(failure, rank, message);
  throw CommError(failure, rank, message);
}

bool GroupState::wait_failed(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return recorded_; });
}

void GroupState::set_announced() {
  {
    std::lock_guard lock(mutex_);
    announced_ = true;
  }
  changed_.notify_all();
}

void GroupState::wait_announced(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return announced_; });
}

void GroupState::set_left(int rank) noexcept {
  left_.fetch_or(uint64_t{1} << rank, std::memory_order_acq_rel);
  wake_caller();
}

void GroupState::close() noexcept {
  closing_.store(true, std::memory_order_release);
  wake_monitor();
}

void GroupState::wake_monitor() const noexcept { signal_event(monitor_wake_.get()); }
void GroupState::wake_caller() const noexcept { signal_event(caller_wake_.get()); }

void GroupState::drain_caller_wake() const noexcept {
  if (failed()) return;
  uint64_t count;
  [[maybe_unused]] const ssize_t n = ::read(caller_wake_.get(), &count, sizeof count);
  if (failed()) wake_caller();
}

}  // namespace lanyard::comm
