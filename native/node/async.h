// Work on a thread of its own whose result settles a promise.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

#include "messenger.h"
#include "task_thread.h"

namespace lanyard::node {

// Runs on the JavaScript thread and makes the promise's value.
using Finish = std::function<Napi::Value(Napi::Env)>;
// Runs on the worker thread.
using Work = std::function<Finish()>;

class Async {
 public:
  // `stop` must make running work end soon; called when the environment goes away.
  Async(Napi::Env env, std::function<void()> stop);
  ~Async();
  Async(const Async&) = delete;
  Async& operator=(const Async&) = delete;

  // Rejects with the error that `work` throws. Keeps the event loop alive until settled. `work` is destroyed on the
  // JavaScript thread, so it may hold references to JavaScript values.
  Napi::Promise run(Napi::Env env, Work work);
  // From the worker thread: calls f on the JavaScript thread, later.
  void call(std::function<void(Napi::Env)> f);
  // Work without a promise. Holds no JavaScript values.
  void post(std::function<void()> task) { thread_.post(std::move(task)); }

  int running() const { return running_; }

 private:
  using Call = std::function<void(Napi::Env)>;

  static void clean_up(void* self);
  void finish();

  Napi::Env env_;
  std::function<void()> stop_;
  napi_threadsafe_function calls_ = nullptr;
  std::atomic<int> running_{0};
  bool cleaned_ = false;
  Messenger<Call*> messenger_;
  TaskThread thread_;  // last: ends before the rest goes
};

}  // namespace lanyard::node
