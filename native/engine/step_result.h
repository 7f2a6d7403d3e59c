// What a step brought, as it crosses the binding: 32-bit little-endian words, floats by their bits. Read by
// electron/worker/rank/step-plan.ts.
//
//   header  [6]   rows, tops (number of entries below), µs in all, in collectives, sampling, idle before (f32 each)
//   rows    [rows][4]   slot, id, log probability (f32), how many tops: in the order of the plan's sequences
//   tops    [tops][2]   id, log probability (f32), row after row, most likely first
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine.h"

namespace lanyard::engine {

enum ResultHeader { kRows, kTops, kTotalMicros, kCommMicros, kSampleMicros, kIdleMicros, kResultHeaderWords };

size_t result_words(const StepOutcome& outcome);

// Writes result_words(outcome) words.
void write_result(const StepOutcome& outcome, int32_t* words);

}  // namespace lanyard::engine
