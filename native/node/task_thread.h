// A thread with a queue of tasks, done one after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace lanyard::node {

class TaskThread {
 public:
  TaskThread() : thread_([this] { work(); }) {}
  ~TaskThread() { finish(); }
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  // False when finish() has been called. A task must not throw.
  bool post(std::function<void()> task) {
    {
      std::lock_guard lock(mutex_);
      if (finishing_) return false;
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
    return true;
  }

  // Is a task queued that has not begun?
  bool waiting() {
    std::lock_guard lock(mutex_);
    return !tasks_.empty();
  }

  // Does the tasks that are queued, then ends the thread. Not from the thread itself.
  void finish() {
    {
      std::lock_guard lock(mutex_);
      finishing_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return finishing_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool finishing_ = false;
  std::thread thread_;
};

}  // namespace lanyard::node
