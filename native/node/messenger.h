// A thread that passes on what another thread must not stop for. Waking a thread on a processor that sleeps takes tens of
// microseconds on some machines, which would stand between two steps; so while more work is under way this thread is not
// woken but looks by itself, several times in the usual time between two messages.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace lanyard::node {

template <class Message>
class Messenger {
 public:
  // `send` passes one message on, from either thread, one at a time. `busy`: is more work under way?
  Messenger(std::function<void(Message)> send, std::function<bool()> busy) : send_(std::move(send)), busy_(std::move(busy)) {}
  ~Messenger() { finish(); }
  Messenger(const Messenger&) = delete;
  Messenger& operator=(const Messenger&) = delete;

  // Returns at once; the message is passed on soon, in order.
  void post(Message message) {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    const auto now = Clock::now();
    if (last_ != Clock::time_point{}) usual_ += (std::chrono::duration<double>(now - last_).count() - usual_) / 8;
    last_ = now;
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    else if (asleep_) wake_.notify_one();
  }

  // Passes it on from this thread, after all that were posted.
  void send(Message message) {
    std::lock_guard lock(mutex_);
    pass_on();
    send_(std::move(message));
  }

  // Messages that are left are dropped. Not from the thread itself.
  void finish() {
    {
      std::lock_guard lock(mutex_);
      finishing_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void pass_on() {
    for (; !messages_.empty(); messages_.pop_front()) send_(std::move(messages_.front()));
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!finishing_) {
      pass_on();
      if (busy_()) {
        const double pause = std::clamp(usual_ / 16, 50e-6, 2e-3);
        lock.unlock();
        std::this_thread::sleep_for(std::chrono::duration<double>(pause));
        lock.lock();
      } else {
        asleep_ = true;
        wake_.wait(lock, [this] { return finishing_ || !messages_.empty(); });
        asleep_ = false;
      }
    }
  }

  const std::function<void(Message)> send_;
  const std::function<bool()> busy_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Message> messages_;
  Clock::time_point last_{};
  double usual_ = 1e-3;  // seconds between messages
  bool asleep_ = false, finishing_ = false;
  std::thread thread_;
};

}  // namespace lanyard::node
