// Failures as JavaScript errors with `code` and, where another rank is at fault, `rank`.
#pragma once

#include <napi.h>

#include <exception>

namespace lanyard::node {

Napi::Error problem(Napi::Env env, const std::exception_ptr& failure);

// Calls f, which may throw anything; a failure becomes a JavaScript exception.
template <class F>
Napi::Value throwing(const Napi::CallbackInfo& info, F&& f) {
  try {
    return f(info);
  } catch (...) {
    throw problem(info.Env(), std::current_exception());
  }
}

// The same for functions that return promises: a failure becomes a rejection.
template <class F>
Napi::Value rejecting(const Napi::CallbackInfo& info, F&& f) {
  try {
    return f(info);
  } catch (...) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(problem(info.Env(), std::current_exception()).Value());
    return deferred.Promise();
  }
}

}  // namespace lanyard::node
