// Reading JavaScript values with errors that name the field.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "../engine/step_plan.h"
#include "../model/spec.h"

namespace lanyard::node {

// All throw Napi::TypeError "NAME is not a number", and so on.
double number(const Napi::Object& object, const char* name);
int integer(const Napi::Object& object, const char* name);
bool boolean(const Napi::Object& object, const char* name);
std::string text(const Napi::Object& object, const char* name);
Napi::Object child(const Napi::Object& object, const char* name);
Napi::Array list(const Napi::Object& object, const char* name);
// A plain or typed array, or anything with length and indices.
std::vector<double> numbers(const Napi::Value& value, const char* name);

model::EngineSpec read_spec(const Napi::Object& spec);

// SequenceStep[] as the words of a step plan (engine/step_plan.h).
std::vector<std::byte> encode_plan(const Napi::Array& sequences, bool want_logits);

// SamplingParams for a test of the pure sampler.
engine::Sampling read_sampling(const Napi::Object& params);

}  // namespace lanyard::node
