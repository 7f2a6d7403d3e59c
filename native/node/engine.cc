// open(spec, group, onProgress?) and the Engine object it resolves to.
#include <chrono>

#include "../engine/step_result.h"
#include "../error.h"
#include "group.h"
#include "problem.h"
#include "read.h"

namespace lanyard::node {
namespace {

using Clock = std::chrono::steady_clock;

// An open engine. Made and destroyed on the group's thread, unless JavaScript forgets it.
struct Handle {
  explicit Handle(std::shared_ptr<GroupState> group_state) : group(std::move(group_state)) {}
  ~Handle() { group->engine = nullptr; }

  std::shared_ptr<GroupState> group;
  std::unique_ptr<engine::Engine> engine;
  bool closed = false;
  std::atomic<int> claims{0};  // steps that run or wait, or following
};

struct Release {
  explicit Release(Handle& of) : handle(of) {}
  ~Release() { --handle.claims; }
  Handle& handle;
};

// One runs, one waits behind it.
constexpr int kStepsAtOnce = 2;

void demand_open(const Handle& handle) {
  if (handle.closed) throw Error("bad_request", "The engine is closed.");
}

// Only the JavaScript thread claims. A stop that was asked for ends the steps that were claimed by then, no later ones.
void claim(Handle& handle, int most) {
  demand_open(handle);
  if (handle.claims >= most) throw Error("bad_request", "The engine is busy: one step may run and one may wait.");
  if (handle.claims++ == 0) handle.engine->arm();
}

// {words, logits?}: copied, because Electron refuses external buffers.
Napi::Value result_object(Napi::Env env, const engine::StepOutcome& outcome) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Int32Array words = Napi::Int32Array::New(env, engine::result_words(outcome));
  engine::write_result(outcome, words.Data());
  result.Set("words", words);
  if (!outcome.logits.empty()) {
    Napi::Float32Array logits = Napi::Float32Array::New(env, outcome.logits.size());
    std::copy(outcome.logits.begin(), outcome.logits.end(), logits.Data());
    result.Set("logits", logits);
  }
  return result;
}

// step(words): also while another step runs; it starts the moment that one ends.
Napi::Value step(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  auto plan = std::make_shared<std::vector<std::byte>>(plan_bytes(info[0]));
  claim(*handle, kStepsAtOnce);
  return handle->group->async.run(info.Env(), [handle, plan]() -> Finish {
    const Release release(*handle);
    auto outcome = std::make_shared<engine::StepOutcome>();
    handle->engine->step(*plan, *outcome);
    return [outcome](Napi::Env env) { return result_object(env, *outcome); };
  });
}

Napi::Value follow(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  claim(*handle, 1);
  return handle->group->async.run(info.Env(), [handle]() -> Finish {
    const Release release(*handle);
    handle->engine->follow();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value stats(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  demand_open(*handle);
  const engine::Stats s = handle->engine->stats();
  const Napi::Env env = info.Env();
  const auto number = [&](double value) { return Napi::Number::New(env, value); };
  Napi::Object out = Napi::Object::New(env);
  out.Set("weightBytes", number(static_cast<double>(s.weight_bytes)));
  out.Set("kvBytes", number(static_cast<double>(s.kv_bytes)));
  out.Set("workspaceBytes", number(static_cast<double>(s.workspace_bytes)));
  out.Set("steps", number(static_cast<double>(s.steps)));
  out.Set("tokens", number(static_cast<double>(s.tokens)));
  Napi::Object micros = Napi::Object::New(env);
  micros.Set("total", number(s.total_micros));
  micros.Set("comm", number(s.comm_micros));
  out.Set("micros", micros);
  out.Set("kernels", Napi::String::New(env, s.kernels));
  return out;
}

// Frees the memory on the group's thread, after telling the followers.
void close(const std::shared_ptr<Handle>& handle, Napi::Env env) {
  if (handle->closed) return;
  handle->closed = true;
  if (handle->claims > 0) handle->group->abort("The engine was closed.");
  handle->group->async.run(env, [handle]() -> Finish {
    handle->engine->close();
    handle->group->engine = nullptr;
    handle->engine.reset();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

template <class F>
Napi::Function method(Napi::Env env, const std::shared_ptr<Handle>& handle, F f) {
  return Napi::Function::New(env, [handle, f](const Napi::CallbackInfo& info) {
    return throwing(info, [&](const Napi::CallbackInfo& call) { return f(handle, call); });
  });
}

template <class F>
Napi::Function promising(Napi::Env env, const std::shared_ptr<Handle>& handle, F f) {
  return Napi::Function::New(env, [handle, f](const Napi::CallbackInfo& info) {
    return rejecting(info, [&](const Napi::CallbackInfo& call) { return f(handle, call); });
  });
}

Napi::Value engine_object(Napi::Env env, const std::shared_ptr<Handle>& handle) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("step", promising(env, handle, step));
  object.Set("follow", promising(env, handle, follow));
  object.Set("stats", method(env, handle, stats));
  object.Set("abort", method(env, handle, [](const std::shared_ptr<Handle>& self, const Napi::CallbackInfo& info) {
    if (!self->closed) self->group->abort(info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "aborted");
    return info.Env().Undefined();
  }));
  object.Set("close", method(env, handle, [](const std::shared_ptr<Handle>& self, const Napi::CallbackInfo& info) {
    close(self, info.Env());
    return info.Env().Undefined();
  }));
  return object;
}

// Tells JavaScript how far loading is, at most ten times a second and at the end; ends loading when the group closes.
model::Progress reporter(const std::shared_ptr<GroupState>& group, const std::shared_ptr<Napi::FunctionReference>& callback) {
  auto last = std::make_shared<Clock::time_point>();
  GroupState* state = group.get();
  return [state, callback, last](uint64_t done, uint64_t total) {
    if (state->stopping) throw Error("aborted", "Loading was aborted.");
    const auto now = Clock::now();
    if (!callback || (done != total && now - *last < std::chrono::milliseconds(100))) return;
    *last = now;
    state->async.call([callback, done, total](Napi::Env env) {
      try {
        callback->Call({Napi::Number::New(env, static_cast<double>(done)), Napi::Number::New(env, static_cast<double>(total))});
      } catch (const Napi::Error&) {
        // A listener that throws must not stop the loading.
      }
    });
  };
}

}  // namespace

Napi::Value open_engine(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "open needs an engine spec.");
  auto spec = std::make_shared<model::EngineSpec>(read_spec(info[0].As<Napi::Object>()));
  const std::shared_ptr<GroupState> group = group_of(info[1]);
  if (group->closed) throw Error("bad_request", "The group is closed.");
  std::shared_ptr<Napi::FunctionReference> callback;
  if (info[2].IsFunction()) {
    callback = std::make_shared<Napi::FunctionReference>(Napi::Persistent(info[2].As<Napi::Function>()));
  }
  auto handle = std::make_shared<Handle>(group);
  // The work, and with it the reference to the callback, is destroyed on the JavaScript thread.
  return group->async.run(info.Env(), [handle, spec, callback]() -> Finish {
    if (!handle->group->communicator) throw Error("bad_request", "The group is not connected.");
    handle->engine = std::make_unique<engine::Engine>(std::move(*spec), *handle->group->communicator, reporter(handle->group, callback));
    handle->group->engine = handle->engine.get();
    return [handle](Napi::Env env) { return engine_object(env, handle); };
  });
}

}  // namespace lanyard::node
