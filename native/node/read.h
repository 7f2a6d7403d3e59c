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

// The words of a step plan (engine/step_plan.h), copied out of a typed array.
std::vector<std::byte> plan_bytes(const Napi::Value& value);

// readPlan(words, limits): what native code reads in them, for the test of the layout.
Napi::Value describe_plan(const Napi::CallbackInfo& info);

// SamplingParams for a test of the pure sampler.
engine::Sampling read_sampling(const Napi::Object& params);

}  // namespace lanyard::node
