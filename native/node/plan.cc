// A step plan's words as native code reads them, and sampling parameters: for tests.
#include <cmath>

#include "../error.h"
#include "../ops/dtype.h"
#include "read.h"

namespace lanyard::node {
namespace {

Napi::Array ids(Napi::Env env, const int32_t* from, int count) {
  Napi::Array out = Napi::Array::New(env, count);
  for (int i = 0; i < count; ++i) out.Set(i, Napi::Number::New(env, from[i]));
  return out;
}

Napi::Object describe(Napi::Env env, const engine::SequencePart& s) {
  Napi::Object out = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { out.Set(name, Napi::Number::New(env, value)); };
  set("slot", s.slot);
  set("start", s.start);
  set("blocksKept", s.blocks_kept);
  set("ropeAlpha", s.rope_alpha);
  set("rows", s.row_count);
  set("temperature", s.sampling.temperature);
  set("topK", s.sampling.top_k);
  set("topP", s.sampling.top_p);
  set("minP", s.sampling.min_p);
  set("repetitionPenalty", s.sampling.repetition);
  set("presencePenalty", s.sampling.presence);
  set("frequencyPenalty", s.sampling.frequency);
  out.Set("seed", Napi::BigInt::New(env, s.sampling.seed));
  set("logprobs", s.sampling.logprobs);
  set("historyKept", s.history_kept);
  set("promptLength", s.prompt_length);
  set("drawn", static_cast<double>(s.sampling.drawn));
  out.Set("onlyBiased", Napi::Boolean::New(env, s.only_biased));
  out.Set("tokens", ids(env, s.tokens, s.token_count));
  out.Set("blocks", ids(env, s.blocks, s.block_count));
  out.Set("history", ids(env, s.history, s.history_count));
  out.Set("targets", ids(env, s.targets, s.target_count));
  out.Set("mask", ids(env, s.mask, s.mask_count));
  out.Set("maskIds", Napi::Boolean::New(env, s.mask_ids));
  Napi::Array biases = Napi::Array::New(env, s.bias_count);
  for (int i = 0; i < s.bias_count; ++i) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::Number::New(env, s.biases[2 * i]));
    pair.Set(1u, Napi::Number::New(env, ops::bits_to_float(static_cast<uint32_t>(s.biases[2 * i + 1]))));
    biases.Set(i, pair);
  }
  out.Set("biases", biases);
  return out;
}

uint64_t seed_of(const Napi::Value& seed) {
  if (!seed.IsNumber()) return 0;
  const double value = std::trunc(seed.As<Napi::Number>().DoubleValue());
  return std::abs(value) < 9.2e18 ? static_cast<uint64_t>(static_cast<int64_t>(value)) : 0;
}

}  // namespace

std::vector<std::byte> plan_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw Error("bad_request", "A step plan is an Int32Array.");
  const auto words = value.As<Napi::TypedArray>();
  const auto* bytes = static_cast<const std::byte*>(words.ArrayBuffer().Data()) + words.ByteOffset();
  return {bytes, bytes + words.ByteLength()};
}

Napi::Value describe_plan(const Napi::CallbackInfo& info) {
  const std::vector<std::byte> bytes = plan_bytes(info[0]);
  if (!info[1].IsObject()) throw Napi::TypeError::New(info.Env(), "readPlan needs limits.");
  const auto limits = info[1].As<Napi::Object>();
  engine::StepPlan plan;
  engine::read_plan(reinterpret_cast<const int32_t*>(bytes.data()), bytes.size() / 4,
                    {integer(limits, "maxTokens"), integer(limits, "maxSequences"), integer(limits, "vocab"),
                     integer(limits, "context"), integer(limits, "blockSize"), integer(limits, "blocks")},
                    plan);
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("logits", Napi::Boolean::New(info.Env(), plan.want_logits));
  Napi::Array sequences = Napi::Array::New(info.Env(), plan.sequences.size());
  for (uint32_t i = 0; i < plan.sequences.size(); ++i) sequences.Set(i, describe(info.Env(), plan.sequences[i]));
  out.Set("sequences", sequences);
  return out;
}

engine::Sampling read_sampling(const Napi::Object& s) {
  engine::Sampling out;
  out.temperature = static_cast<float>(number(s, "temperature"));
  out.top_k = integer(s, "topK");
  out.top_p = static_cast<float>(number(s, "topP"));
  out.min_p = static_cast<float>(number(s, "minP"));
  out.repetition = static_cast<float>(number(s, "repetitionPenalty"));
  out.presence = static_cast<float>(number(s, "presencePenalty"));
  out.frequency = static_cast<float>(number(s, "frequencyPenalty"));
  out.seed = seed_of(s.Get("seed"));
  out.logprobs = integer(s, "logprobs");
  return out;
}

}  // namespace lanyard::node
