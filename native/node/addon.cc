// The addon's exports: electron/worker/rank/addon.ts is their contract.
#include <napi.h>

#include <csignal>
#include <memory>

#if defined(__linux__)
#include <sys/prctl.h>
#include <unistd.h>
#endif

#include "../engine/sampler.h"
#include "../error.h"
#include "../ops/cpu/measure.h"
#include "async.h"
#include "group.h"
#include "problem.h"
#include "read.h"

namespace lanyard::node {
namespace {

Napi::Value measure_cpu(const Napi::CallbackInfo& info) {
  const int threads = info[0].ToNumber().Int32Value();
  if (threads < 1 || threads > 1024) throw Error("bad_request", "threads is not between 1 and 1024.");
  auto async = std::make_shared<Async>(info.Env(), [] {});
  return async->run(info.Env(), [async, threads]() -> Finish {
    const ops::cpu::CpuSpeed speed = ops::cpu::measure(threads);
    return [speed](Napi::Env env) {
      Napi::Object out = Napi::Object::New(env);
      out.Set("readBytesPerSecond", Napi::Number::New(env, speed.read_bytes_per_second));
      out.Set("gemmFlops", Napi::Number::New(env, speed.gemm_flops));
      out.Set("kernels", Napi::String::New(env, speed.kernels));
      return Napi::Value(out);
    };
  });
}

// The kernel ends this process when the thread that started it ends. `false` where that is not possible.
Napi::Value die_with_parent(const Napi::CallbackInfo& info) {
#if defined(__linux__)
  const bool set = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  return Napi::Boolean::New(info.Env(), set);
#else
  return Napi::Boolean::New(info.Env(), false);
#endif
}

// sampleProbabilities(logits, params, history, promptLength): the distribution that a draw follows, for tests.
Napi::Value sample_probabilities(const Napi::CallbackInfo& info) {
  const std::vector<double> given = numbers(info[0], "logits");
  if (!info[1].IsObject()) throw Napi::TypeError::New(info.Env(), "sampleProbabilities needs parameters.");
  const auto params = info[1].As<Napi::Object>();
  const std::vector<double> past = numbers(info[2], "history");
  const std::vector<int32_t> history(past.begin(), past.end());
  const engine::Sampling sampling = read_sampling(params);
  std::vector<int32_t> bias_ids;
  std::vector<float> bias;
  const Napi::Array biases = list(params, "logitBias");
  for (uint32_t i = 0; i < biases.Length(); ++i) {
    const std::vector<double> pair = numbers(biases.Get(i), "logitBias");
    bias_ids.push_back(static_cast<int32_t>(pair.at(0)));
    bias.push_back(static_cast<float>(pair.at(1)));
  }
  const bool only = !params.Get("allowedIds").IsNull() && !params.Get("allowedIds").IsUndefined();
  const ops::Adjust adjust{bias_ids.data(), bias.data(), static_cast<int>(bias.size()), only, history.data(),
                           static_cast<int>(history.size()), info[3].ToNumber().Int32Value(), sampling.repetition,
                           sampling.presence, sampling.frequency};
  const auto result = engine::probabilities({given.begin(), given.end()}, adjust, sampling);
  Napi::Float64Array out = Napi::Float64Array::New(info.Env(), result.size());
  std::copy(result.begin(), result.end(), out.Data());
  return out;
}

Napi::Object exports(Napi::Env env, Napi::Object object) {
  const auto set = [&](const char* name, Napi::Value (*f)(const Napi::CallbackInfo&), bool promises) {
    object.Set(name, Napi::Function::New(env, [f, promises](const Napi::CallbackInfo& info) {
      return promises ? rejecting(info, f) : throwing(info, f);
    }));
  };
  set("createGroup", create_group, false);
  set("open", open_engine, true);
  set("measureCpu", measure_cpu, true);
  set("dieWithParent", die_with_parent, false);
  set("readPlan", describe_plan, false);
  set("sampleProbabilities", sample_probabilities, false);
  return object;
}

}  // namespace
}  // namespace lanyard::node

static Napi::Object init(Napi::Env env, Napi::Object object) { return lanyard::node::exports(env, object); }

NODE_API_MODULE(lanyard_engine, init)
