#include "async.h"

#include <exception>

#include "problem.h"

namespace lanyard::node {
namespace {

using Call = std::function<void(Napi::Env)>;

void call_js(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Call> call(static_cast<Call*>(data));
  if (!env) return;  // the environment is going away
  const Napi::HandleScope scope(env);
  (*call)(Napi::Env(env));
}

}  // namespace

Async::Async(Napi::Env env, std::function<void()> stop)
    : env_(env),
      stop_(std::move(stop)),
      // While the environment goes away the call is dropped, not deleted: it may hold JavaScript values, which must not be
      // touched from this thread.
      messenger_([this](Call* call) { napi_call_threadsafe_function(calls_, call, napi_tsfn_nonblocking); },
                 [this] { return running_ > 0; }) {
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "lanyard"), 0, 1, nullptr, nullptr, nullptr, call_js, &calls_);
  NAPI_THROW_IF_FAILED_VOID(env, status);
  napi_unref_threadsafe_function(env, calls_);
  napi_add_env_cleanup_hook(env, clean_up, this);
}

void Async::clean_up(void* data) {
  auto* self = static_cast<Async*>(data);
  self->cleaned_ = true;
  self->stop_();
  self->finish();
}

void Async::finish() {
  thread_.finish();
  messenger_.finish();
}

Async::~Async() {
  if (!cleaned_) {
    napi_remove_env_cleanup_hook(env_, clean_up, this);
    stop_();
  }
  finish();
  napi_release_threadsafe_function(calls_, napi_tsfn_release);
}

void Async::call(std::function<void(Napi::Env)> f) {
  auto* call = new Call(std::move(f));
  // Where the next task waits already, it does not wait until the JavaScript thread is awake.
  if (thread_.waiting()) messenger_.post(call);
  else messenger_.send(call);
}

Napi::Promise Async::run(Napi::Env env, Work work) {
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
  const Napi::Promise promise = deferred->Promise();
  if (running_++ == 0) napi_ref_threadsafe_function(env, calls_);
  auto shared = std::make_shared<Work>(std::move(work));
  thread_.post([this, deferred, shared]() mutable {
    Finish finish;
    std::exception_ptr failure;
    try {
      finish = (*shared)();
    } catch (...) {
      failure = std::current_exception();
    }
    call([this, deferred = std::move(deferred), shared = std::move(shared), finish = std::move(finish), failure](Napi::Env js) {
      if (--running_ == 0) napi_unref_threadsafe_function(js, calls_);
      if (!failure) {
        try {
          deferred->Resolve(finish(js));
          return;
        } catch (...) {
          deferred->Reject(problem(js, std::current_exception()).Value());
          return;
        }
      }
      deferred->Reject(problem(js, failure).Value());
    });
  });
  return promise;
}

}  // namespace lanyard::node
