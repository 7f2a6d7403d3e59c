// open(spec, group, onProgress?) and the Engine object it resolves to.
#include <chrono>

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
  std::atomic<bool> busy{false};
};

struct Busy {
  explicit Busy(Handle& of) : handle(of) {}
  ~Busy() { handle.busy = false; }
  Handle& handle;
};

void demand_open(const Handle& handle) {
  if (handle.closed) throw Error("bad_request", "The engine is closed.");
}

void claim(Handle& handle) {
  demand_open(handle);
  if (handle.busy.exchange(true)) throw Error("bad_request", "The engine is busy: one step at a time.");
  handle.engine->arm();
}

Napi::Value result_object(Napi::Env env, const engine::StepOutcome& outcome) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Array tokens = Napi::Array::New(env, outcome.tokens.size());
  for (uint32_t i = 0; i < outcome.tokens.size(); ++i) {
    const engine::SampledToken& sampled = outcome.tokens[i];
    Napi::Object token = Napi::Object::New(env);
    token.Set("slot", Napi::Number::New(env, sampled.slot));
    token.Set("id", Napi::Number::New(env, sampled.id));
    token.Set("logprob", Napi::Number::New(env, sampled.logprob));
    Napi::Array top = Napi::Array::New(env, sampled.top.size());
    for (uint32_t j = 0; j < sampled.top.size(); ++j) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("id", Napi::Number::New(env, sampled.top[j].id));
      entry.Set("logprob", Napi::Number::New(env, sampled.top[j].logprob));
      top.Set(j, entry);
    }
    token.Set("top", top);
    tokens.Set(i, token);
  }
  result.Set("tokens", tokens);
  if (!outcome.logits.empty()) {
    // Copied: Electron refuses external buffers.
    Napi::Float32Array logits = Napi::Float32Array::New(env, outcome.logits.size());
    std::copy(outcome.logits.begin(), outcome.logits.end(), logits.Data());
    result.Set("logits", logits);
  }
  Napi::Object micros = Napi::Object::New(env);
  micros.Set("total", Napi::Number::New(env, outcome.total_micros));
  micros.Set("comm", Napi::Number::New(env, outcome.comm_micros));
  micros.Set("sample", Napi::Number::New(env, outcome.sample_micros));
  result.Set("micros", micros);
  return result;
}

std::vector<std::byte> plan_of(const Napi::CallbackInfo& info) {
  bool logits = false;
  if (info[1].IsObject()) logits = info[1].As<Napi::Object>().Get("logits").ToBoolean();
  // Words that electron/worker/rank/step-plan.ts has already encoded.
  if (info[0].IsTypedArray()) {
    const auto words = info[0].As<Napi::TypedArray>();
    const auto* bytes = static_cast<const std::byte*>(words.ArrayBuffer().Data()) + words.ByteOffset();
    return {bytes, bytes + words.ByteLength()};
  }
  if (!info[0].IsArray()) throw Error("bad_request", "step needs an array of sequences.");
  return encode_plan(info[0].As<Napi::Array>(), logits);
}

Napi::Value step(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  auto plan = std::make_shared<std::vector<std::byte>>(plan_of(info));
  claim(*handle);
  return handle->group->async.run(info.Env(), [handle, plan]() -> Finish {
    const Busy busy(*handle);
    auto outcome = std::make_shared<engine::StepOutcome>();
    handle->engine->step(*plan, *outcome);
    return [outcome](Napi::Env env) { return result_object(env, *outcome); };
  });
}

Napi::Value follow(const std::shared_ptr<Handle>& handle, const Napi::CallbackInfo& info) {
  claim(*handle);
  return handle->group->async.run(info.Env(), [handle]() -> Finish {
    const Busy busy(*handle);
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
  if (handle->busy) handle->group->abort("The engine was closed.");
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
